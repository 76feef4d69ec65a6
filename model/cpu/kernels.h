#ifndef RESNET_MODEL_CPU_KERNELS_H
#define RESNET_MODEL_CPU_KERNELS_H

#include <cstddef>
#include <cstdint>

/// The inner loops of a network on an x86 CPU, a set for each format of activations and kind of instructions.
/// Each set's file is compiled for its own instructions: no function may be in a header that others include.
///
/// All products are sums over groups of 4 bytes: one fp32 number, two bf16 or 16-bit ones, four 8-bit ones. A
/// pixel's channels lie in lines of 64 bytes; output channels are computed 64 at a time, in four registers.
namespace resnet::cpu {

constexpr std::size_t line_bytes = 64;
constexpr int output_group = 64;  ///< output channels that are computed together
constexpr int max_tile = 7;       ///< pixels that can be computed together
// The tiles of AMX hold the sums of two blocks of pixels by two of 16 channels.
constexpr int block_pixels = 16;
constexpr int block_outputs = 32;

enum class Format : std::uint8_t {
  fp32,
  bf16,
  bf16_pair,  ///< real = high + low, of 17 bits: a line of 32 channels' high terms, then one of their low
              ///< ones
  u8          ///< real = scale · (q − zero)
};

/// Numbers whose sum a value is, each in a line of its own.
constexpr int terms(Format format) { return format == Format::bf16_pair ? 2 : 1; }

/// Channels for each line.
constexpr int line_channels(Format format) {
  return format == Format::bf16 ? 32 : format == Format::u8 ? 64 : 16;
}

/// What the sums of a tile's pixels are made of: for each of `lines`, for each of `rows`, `run` groups of 4
/// bytes that lie behind each other, times as many groups of weights, [4-byte group][64 outputs][4 bytes].
struct Tile {
  const std::byte* input = nullptr;  ///< of the first pixel; the others follow at the kernel's stride
  std::ptrdiff_t line_stride = 0;
  int lines = 0;
  std::ptrdiff_t row_stride = 0;
  int rows = 0;
  int run = 0;
  const std::byte* weights = nullptr;
  std::ptrdiff_t weight_line_stride = 0;
  std::ptrdiff_t prefetch = 0;  ///< how far behind the weights lie those that are needed next
};

/// What becomes of sums: stored is max(sum · scale + bias + residual · residual_scale, least).
struct Finish {
  const float* scale = nullptr;         ///< [64], ≥ 0; of u8 alone, others are not scaled
  const float* bias = nullptr;          ///< [64]
  float least = 0.0F;                   ///< ≥ 0 for u8
  float residual_scale = 1.0F;          ///< of u8 alone, too
  const std::byte* residual = nullptr;  ///< null: none
  std::byte* output = nullptr;
  std::ptrdiff_t line_stride = 0;  ///< of both
};

/// Whose 32 sums those of a pooled pixel are the greatest of.
struct Pool {
  int count = 0;
  const std::byte* sums[9] = {};
  std::ptrdiff_t stride = 0;    ///< from a pooled pixel's sums to the next one's
  const float* biases[9] = {};  ///< [32] each, in place of the Finish's; the first null: none
};

/// Writes the sums of a number of pixels, [pixels][64] fp32 or int32, or adds to them.
using SumTile = void (*)(const Tile& tile, void* sums, bool add);
/// Or stores what becomes of them, of pixels that lie 64 bytes apart in their lines.
using ConvolveTile = void (*)(const Tile& tile, void* sums, bool add, const Finish* finish);

/// What the sums of one or two blocks of 16 pixels are made of, as a Tile is; they lie anywhere.
struct Blocks {
  const std::byte* input[2] = {};  ///< of each block's first pixel
  std::ptrdiff_t pixel_stride = line_bytes;
  std::ptrdiff_t line_stride = 0;
  int lines = 0;
  std::ptrdiff_t row_stride = 0;
  int rows = 0;
  int columns = 0;  ///< pixels behind each other that a row's sum takes
  /// [lines/terms][rows][columns][terms][2][16 4-byte groups][16 outputs][4 bytes]
  const std::byte* weights = nullptr;
};

/// Products by AMX's tiles. Between begin() and end() the thread has its tiles; others may use them before
/// and after.
struct BlockKernels {
  /// Writes the sums, [blocks][16 pixels][32 outputs] fp32 or int32.
  using Sum = void (*)(const Blocks& blocks, void* sums);
  void (*begin)() = nullptr;
  void (*end)() = nullptr;
  Sum sum[2] = {};  ///< by the number of blocks − 1
};

/// By the number of pixels − 1.
using SumTiles = SumTile[max_tile];
using ConvolveTiles = ConvolveTile[max_tile];

/// Types of weights in groups of 4 bytes.
enum class WeightType : std::uint8_t { fp32, bf16, s8, s16 };
constexpr int weight_bytes(WeightType type) {
  return type == WeightType::fp32 ? 4 : type == WeightType::s8 ? 1 : 2;
}

/// Winograd's F(tile×tile, 3×3), or the like at a stride of 2: tile² outputs by the products of as many
/// components of inputs and of weights as there are pixels that they are made of.
struct WinogradTransform {
  int tile = 0;  ///< width and height of the outputs; 0: there is no such transform
  int stride = 1;
  int input() const { return (tile - 1) * stride + 3; }  ///< width and height of the pixels
  int components() const { return input() * input(); }

  /// A line of a tile's input×input pixels to its components. `component_stride` and `line_stride` in bytes.
  void (*inputs)(const std::byte* pixels, std::ptrdiff_t row_stride, std::byte* to,
                 std::ptrdiff_t component_stride, std::ptrdiff_t line_stride) = nullptr;
  /// Sums of components, [64] each, to a tile's sums in fp32, [tile][tile][64].
  /// @param scale of the components, [components][64]; only for integers
  void (*outputs)(const void* sums, std::ptrdiff_t component_stride, const float* scale, float* to) = nullptr;
};

/// The greatest tile that there is.
constexpr int max_winograd_tile = 4;
constexpr int max_winograd_input = max_winograd_tile + 2;

struct Kernels {
  Format format = Format::fp32;
  WeightType weights = WeightType::fp32;
  bool integers = false;    ///< sums are int32
  int tile = max_tile;      ///< pixels that are computed together fastest
  ConvolveTiles dense{};    ///< pixels are 64 bytes apart
  ConvolveTiles strided{};  ///< 128 bytes
  SumTiles stem{};          ///< two pixels of three channels of the size of a weight

  /// Stores `pixels` pixels, which lie 64 bytes apart in their lines, of sums in fp32.
  void (*finish)(const Finish& finish, const void* sums, int pixels) = nullptr;
  /// The same of [pixels][32] sums as they are, in fp32 or int32.
  void (*finish_block)(const Finish& finish, const void* sums, int pixels) = nullptr;
  /// Stores `pixels` pixels, which lie 64 bytes apart, of what is greatest of others' sums.
  void (*pool)(const Pool& pool, const Finish& finish, int pixels) = nullptr;
  const BlockKernels* blocks = nullptr;  ///< null: the CPU has no AMX

  // By Winograd's transforms. Their products are of other types than a convolution's.
  WeightType winograd_weights = WeightType::fp32;
  bool winograd_integers = false;
  int winograd_lines = 1;  ///< lines of components that a line of activations becomes
  SumTiles winograd_sum{};
  WinogradTransform winograd4;          ///< 36 products for 16 outputs, which are 144 without
  WinogradTransform winograd2;          ///< 16 products for 4 outputs, which are 36; only in fp32
  WinogradTransform winograd2_strided;  ///< 25 products for 4 outputs at a stride of 2; only in fp32

  // Strassen's algorithm; null for all but fp32 in 16 lanes.
  /// Adds inputs of two tiles of `pixels` pixels, whose halves of the channels are A and B of the first and C
  /// and D of the second tile: writes C + D, C + D − A, A − C and A + B − C − D, [4][lines][pixels][64
  /// bytes].
  /// @param lines of half the channels
  void (*strassen_inputs)(const std::byte* const (&tiles)[2], std::ptrdiff_t pixel_stride,
                          std::ptrdiff_t line_stride, int lines, int pixels, std::byte* to) = nullptr;
  /// Stores `count` pixels of what the products, [7][pixels][64], add up to; by the tile, and by the half of
  /// the outputs.
  void (*strassen_finish[2][2])(const Finish& finish, const float* products, int pixels, int count){};
};

/// Null where the CPU lacks the instructions.
const Kernels* avx2_kernels();         ///< fp32: AVX2 and FMA
const Kernels* avx512_kernels();       ///< fp32: AVX-512 F, BW, DQ and VL
const Kernels* avx512_bf16_kernels();  ///< bf16: and BF16
const Kernels* avx512_pair_kernels();  ///< bf16_pair: and BF16; what becomes of sums, but no products
const Kernels* avx512_vnni_kernels();  ///< u8: and VNNI
const Kernels* avx_vnni_kernels();     ///< u8: AVX2, FMA and AVX-VNNI
const Kernels* amx_bf16_kernels();     ///< bf16: and AMX
const Kernels* amx_pair_kernels();     ///< bf16_pair: and AMX
const Kernels* amx_int8_kernels();     ///< u8: and AMX

/// Whether a bf16 instruction of AVX-512 takes no longer than one of fp32.
bool avx512_multiplies_bf16_fast();
/// With more of them, in and out, reading the weights of Winograd's larger tiles takes longer than is won.
int most_winograd_channels(Format format);
/// Whether to save products is worth it where weights are many, or where an eighth of them is saved by
/// additions.
bool fewer_products_pay();

/// The same, for those above alone: a CPU that lacks the instructions must not run these.
Kernels make_avx2_kernels();
Kernels make_avx512_kernels();
Kernels make_avx512_bf16_kernels();
Kernels make_avx512_pair_kernels();
Kernels make_avx512_vnni_kernels();
Kernels make_avx_vnni_kernels();
Kernels make_amx_bf16_kernels();
Kernels make_amx_pair_kernels();
Kernels make_amx_int8_kernels();

}  // namespace resnet::cpu

#endif
