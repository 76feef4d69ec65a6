#ifndef RESNET_TESTS_MODEL_EMULATED_BLOCKS_H
#define RESNET_TESTS_MODEL_EMULATED_BLOCKS_H

#include "model/cpu/kernels.h"

namespace resnet::cpu {

/// As the kernels for AMX, on CPUs without it: the blocks' sums in plain loops, all else by AVX-512. Null
/// where the CPU lacks that.
const Kernels* emulated_bf16_kernels();
const Kernels* emulated_pair_kernels();
const Kernels* emulated_int8_kernels();

}  // namespace resnet::cpu

#endif
