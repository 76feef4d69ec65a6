#include "model/cpu/kernels_template.h"

const resnet::cpu::Kernels* resnet::cpu::avx2_kernels() {
  static const Kernels kernels = make_fp32_kernels<Avx2>();
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &kernels : nullptr;
}
