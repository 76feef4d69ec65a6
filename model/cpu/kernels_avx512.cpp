#include "model/cpu/kernels_template.h"

resnet::cpu::Kernels resnet::cpu::make_avx512_kernels() { return make_fp32_kernels<Avx512>(); }
