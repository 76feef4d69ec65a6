#include "model/cpu/kernels.h"

bool resnet::cpu::avx512_multiplies_bf16_fast() { return false; }
int resnet::cpu::most_winograd_channels(Format /*format*/) { return 256; }
bool resnet::cpu::fewer_products_pay() { return false; }
const resnet::cpu::Kernels* resnet::cpu::avx2_kernels() { return nullptr; }
const resnet::cpu::Kernels* resnet::cpu::avx512_kernels() { return nullptr; }
const resnet::cpu::Kernels* resnet::cpu::avx512_bf16_kernels() { return nullptr; }
const resnet::cpu::Kernels* resnet::cpu::avx512_pair_kernels() { return nullptr; }
const resnet::cpu::Kernels* resnet::cpu::avx512_vnni_kernels() { return nullptr; }
const resnet::cpu::Kernels* resnet::cpu::avx_vnni_kernels() { return nullptr; }
const resnet::cpu::Kernels* resnet::cpu::amx_bf16_kernels() { return nullptr; }
const resnet::cpu::Kernels* resnet::cpu::amx_pair_kernels() { return nullptr; }
const resnet::cpu::Kernels* resnet::cpu::amx_int8_kernels() { return nullptr; }
