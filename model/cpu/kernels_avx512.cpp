#include "model/cpu/kernels_template.h"

const resnet::cpu::Kernels* resnet::cpu::avx512_kernels() {
  static const Kernels kernels = make_fp32_kernels<Avx512>();
  const bool there = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                     __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  return there ? &kernels : nullptr;
}
