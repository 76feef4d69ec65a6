#include "model/cpu/kernels_template.h"

resnet::cpu::Kernels resnet::cpu::make_avx2_kernels() { return make_fp32_kernels<Avx2>(); }
