#include "model/cpu/kernels.h"

#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

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

// Tiles are 8 KB of registers that Linux saves for a process only when it has asked for them, as
// "Using XSTATE features in user space applications" in its documentation has it.
bool ask_for_tiles() {
  constexpr long request_permission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long tile_data = 18;               // XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
}

// clang 14's __builtin_cpu_supports() does not know it.
bool has_avx_vnni() {
  constexpr unsigned avx_vnni = 1U << 4;
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) != 0 && (eax & avx_vnni) != 0;
}

// g++ 12's __builtin_cpu_supports() does not know AMX.
bool has_amx(unsigned product) {
  constexpr unsigned tile = 1U << 24;
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0) return false;
  if ((edx & tile) == 0 || (edx & product) == 0) return false;
  static const bool permitted = ask_for_tiles();
  return permitted;
}

constexpr unsigned amx_bf16 = 1U << 22, amx_int8 = 1U << 25;  // of CPUID 7's EDX

}  // namespace

const Kernels* avx2_kernels() {
  return made_where<make_avx2_kernels>(__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"));
}

const Kernels* avx512_kernels() { return made_where<make_avx512_kernels>(has_avx512()); }

const Kernels* avx512_bf16_kernels() {
  return made_where<make_avx512_bf16_kernels>(has_avx512() && __builtin_cpu_supports("avx512bf16"));
}

const Kernels* avx512_pair_kernels() {
  return made_where<make_avx512_pair_kernels>(avx512_bf16_kernels() != nullptr);
}

const Kernels* avx512_vnni_kernels() {
  return made_where<make_avx512_vnni_kernels>(has_avx512() && __builtin_cpu_supports("avx512vnni"));
}

const Kernels* avx_vnni_kernels() {
  return made_where<make_avx_vnni_kernels>(avx2_kernels() != nullptr && has_avx_vnni());
}

// Intel's take twice as long (measured on a Xeon with AMX: 60 GMAC/s a core, 122 in fp32), AMD's the same.
bool avx512_multiplies_bf16_fast() { return !__builtin_cpu_is("intel"); }

// Intel's multiply bytes so fast that the weights of 256 channels come too slowly (on a Xeon with AMX left
// out ResNet-34 in int8 at batch 1 was 1.2 times as fast by 128, at batch 8 1.07 times); AMD's do not.
int most_winograd_channels(Format format) {
  return format == Format::u8 && __builtin_cpu_is("intel") ? 128 : 256;
}

// On an EPYC, which takes one product of 16 lanes at a time and adds beside it, ResNet-18 in fp32 at batch 1
// is 1.06 times as fast by Winograd's small tiles, ResNet-50 1.03 times by Strassen's algorithm. Most of
// Intel's take two, for which memory and additions leave less time; they were not tried.
bool fewer_products_pay() { return !__builtin_cpu_is("intel"); }

const Kernels* amx_bf16_kernels() {
  return made_where<make_amx_bf16_kernels>(avx512_bf16_kernels() != nullptr && has_amx(amx_bf16));
}

const Kernels* amx_pair_kernels() { return made_where<make_amx_pair_kernels>(amx_bf16_kernels() != nullptr); }

const Kernels* amx_int8_kernels() {
  return made_where<make_amx_int8_kernels>(avx512_vnni_kernels() != nullptr && has_amx(amx_int8));
}

}  // namespace resnet::cpu
