#ifndef RESNET_MODEL_INTERLEAVED_STORE_H
#define RESNET_MODEL_INTERLEAVED_STORE_H

// How what narrows rows with VBMI writes its pixels.

#include <array>
#include <cstddef>
#include <cstdint>

#include "model/vector_unit.h"

#if defined(__x86_64__)
#include <immintrin.h>
#if !defined(__clang__)
// g++ 12 takes the undefined operands of its own intrinsics for uninitialised variables (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#endif

namespace resnet {

constexpr std::size_t register_bytes = 64;

/// The bits of the first so many bytes of a register.
inline std::uint64_t mask_of(std::size_t bytes) {
  return bytes >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bytes) - 1;
}

#if defined(__x86_64__)

/// As much as there is room for; a store without a mask is quicker.
RESNET_VBMI inline void store(std::uint8_t* to, std::size_t room, __m512i bytes) {
  if (room >= register_bytes) {
    _mm512_storeu_si512(to, bytes);
  } else {
    _mm512_mask_storeu_epi8(to, mask_of(room), bytes);
  }
}
RESNET_VBMI inline void store(std::uint8_t* to, std::size_t room, __m128i bytes) {
  if (room >= sizeof bytes) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), bytes);
  } else {
    _mm_mask_storeu_epi8(to, static_cast<__mmask16>(mask_of(room)), bytes);
  }
}

/// Byte b of the 48 is channel b % 3 of pixel b / 3, of quarters of a register that have four pixels of red,
/// four of green and four of blue.
inline constexpr std::array<std::uint8_t, register_bytes> interleaving = [] {
  std::array<std::uint8_t, register_bytes> places{};
  for (std::size_t b = 0; b < 48; ++b)
    places[b] = static_cast<std::uint8_t>(b / 12 * 16 + b % 3 * 4 + b / 3 % 4);
  return places;
}();

/// 16 pixels, of 32-bit numbers that are held to 0…255, and 16 bytes of no meaning, as far as there is room.
RESNET_VBMI inline void store_pixels(std::uint8_t* to, std::size_t room, __m512i red, __m512i green,
                                     __m512i blue) {
  const __m512i quarters =
      _mm512_packus_epi16(_mm512_packs_epi32(red, green), _mm512_packs_epi32(blue, blue));
  store(to, room, _mm512_permutexvar_epi8(_mm512_loadu_si512(interleaving.data()), quarters));
}

#endif

}  // namespace resnet

#endif
