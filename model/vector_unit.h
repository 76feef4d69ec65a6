#ifndef RESNET_MODEL_VECTOR_UNIT_H
#define RESNET_MODEL_VECTOR_UNIT_H

#include <cstdint>

// For functions of intrinsics: compiled for those instructions, whatever the rest of the file is compiled
// for.
#if defined(__x86_64__)
#define RESNET_AVX2 __attribute__((target("avx2")))
#define RESNET_VBMI __attribute__((target("avx2,avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")))
#endif

namespace resnet {

/// The vector instructions of a processor; the results are the same bits with each.
enum class VectorUnit : std::uint8_t {
  none,
  avx2,
  avx512_vbmi  ///< with BW, VL and VNNI
};

/// The best one here.
VectorUnit best_vector_unit();

}  // namespace resnet

#endif
