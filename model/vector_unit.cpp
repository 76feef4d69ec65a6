#include "model/vector_unit.h"

namespace resnet {

VectorUnit best_vector_unit() {
#if defined(__x86_64__)
  static const VectorUnit best = [] {
    if (!__builtin_cpu_supports("avx2")) return VectorUnit::none;
    const bool vbmi = __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
                      __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vbmi");
    return vbmi ? VectorUnit::avx512_vbmi : VectorUnit::avx2;
  }();
  return best;
#else
  return VectorUnit::none;
#endif
}

}  // namespace resnet
