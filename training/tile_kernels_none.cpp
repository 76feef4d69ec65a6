// For processors that have no tiles: never called.
#include "training/tile_kernels.h"

namespace resnet::tiles {

Tiles::Tiles(int /*rows*/) {}
Tiles::~Tiles() = default;
void multiply(const Product&, int, float*, std::ptrdiff_t, bool) {}
void narrow(const float*, int, Bits*, std::ptrdiff_t) {}
void pack_columns(const Bits*, std::ptrdiff_t, int, Bits*) {}
void transpose(const Bits*, std::ptrdiff_t, int, Bits*) {}
void pack_columns(const float*, std::ptrdiff_t, Bits*) {}
void pack_transposed_columns(const float*, std::ptrdiff_t, Bits*) {}

}  // namespace resnet::tiles
