#include "model/cpu/kernels.h"

namespace resnet::cpu {

namespace {

// Compiled for any x86: of a file that is compiled for more nothing may run before the processor is asked.
template <Kernels (*make)()>
const Kernels* made_where(bool there) {
  if (!there) return nullptr;
  static const Kernels kernels = make();
  return &kernels;
}

bool has_avx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

}  // namespace

const Kernels* avx2_kernels() {
  return made_where<make_avx2_kernels>(__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"));
}

const Kernels* avx512_kernels() { return made_where<make_avx512_kernels>(has_avx512()); }

const Kernels* avx512_bf16_kernels() {
  return made_where<make_avx512_bf16_kernels>(has_avx512() && __builtin_cpu_supports("avx512bf16"));
}

const Kernels* avx512_vnni_kernels() {
  return made_where<make_avx512_vnni_kernels>(has_avx512() && __builtin_cpu_supports("avx512vnni"));
}

}  // namespace resnet::cpu
