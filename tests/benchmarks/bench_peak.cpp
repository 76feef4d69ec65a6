// bench-peak: multiplications with addition (MAC) a second that this processor can do at all, by number
// format: independent accumulators in registers, nothing from memory. In turns as turns.h says them.
//
//   echo go 1 | bench-peak --precision int8 --threads 2
#include <map>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>
#include <immintrin.h>

#include "model/cpu/kernels.h"
#include "tests/benchmarks/turns.h"

namespace resnet {
namespace {

constexpr int rounds = 20000;

/// What a loop of `rounds` times `steps` instructions is worth, and how to run it.
struct Kernel {
  const char* instruction;
  int steps;
  double macs;  ///< of a step
  void (*loop)();
};

// As many independent sums as cover an instruction's latency times those a cycle: 10 on the machines there
// are.
constexpr int many = 12;
// Three instructions a step, of which only the last waits for the sum, and only 16 registers.
constexpr int few = 4;

// The empty asm keeps the compiler from knowing the sums and the factor, and from dropping or joining sums.
#define RESNET_PEAK_HIDE(value) asm volatile("" : "+v"(value))
#define RESNET_PEAK_LOOP(type, count, zero, factor, ...)              \
  type sums[count];                                                   \
  _Pragma("GCC unroll 12") for (type & sum : sums) {                  \
    sum = (zero);                                                     \
    RESNET_PEAK_HIDE(sum);                                            \
  }                                                                   \
  type a = (factor);                                                  \
  RESNET_PEAK_HIDE(a);                                                \
  for (int i = 0; i < rounds; ++i) {                                  \
    _Pragma("GCC unroll 12") for (type & sum : sums) { __VA_ARGS__; } \
  }                                                                   \
  _Pragma("GCC unroll 12") for (type & sum : sums) RESNET_PEAK_HIDE(sum)

__attribute__((target("avx512f"))) void fma_avx512() {
  RESNET_PEAK_LOOP(__m512, many, _mm512_setzero_ps(), _mm512_set1_ps(0.5F), sum = _mm512_fmadd_ps(a, a, sum));
}

__attribute__((target("avx2,fma"))) void fma_avx2() {
  RESNET_PEAK_LOOP(__m256, many, _mm256_setzero_ps(), _mm256_set1_ps(0.5F), sum = _mm256_fmadd_ps(a, a, sum));
}

__attribute__((target("avx512f,avx512bw,avx512bf16"))) void bf16_avx512() {
  RESNET_PEAK_LOOP(__m512, many, _mm512_setzero_ps(), _mm512_set1_ps(0.5F),
                   sum = _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(a), reinterpret_cast<__m512bh>(a)));
}

__attribute__((target("avx512f,avx512vnni"))) void int8_avx512() {
  RESNET_PEAK_LOOP(__m512i, many, _mm512_setzero_si512(), _mm512_set1_epi8(1),
                   sum = _mm512_dpbusd_epi32(sum, a, a));
}

// The three instructions that stand in for VNNI's one.
__attribute__((target("avx2"))) void int8_avx2() {
  RESNET_PEAK_LOOP(__m256i, few, _mm256_setzero_si256(), _mm256_set1_epi8(1), __m256i b = a;
                   asm volatile(""
                                : "+v"(b));
                   sum = _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(b, a), a)));
}

// Four sums of 16 by 16 numbers, each of 64 bytes of factors.
__attribute__((target("amx-tile,amx-bf16"))) void bf16_amx() {
  cpu::amx_bf16_kernels()->blocks->begin();
  for (int i = 0; i < rounds; ++i) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  cpu::amx_bf16_kernels()->blocks->end();
}

__attribute__((target("amx-tile,amx-int8"))) void int8_amx() {
  cpu::amx_int8_kernels()->blocks->begin();
  for (int i = 0; i < rounds; ++i) {
    _tile_dpbusd(0, 4, 6);
    _tile_dpbusd(1, 4, 7);
    _tile_dpbusd(2, 5, 6);
    _tile_dpbusd(3, 5, 7);
  }
  cpu::amx_int8_kernels()->blocks->end();
}
constexpr int sums = 4;
constexpr double tile_macs = 16 * 16 * 32;  // of bf16; of int8 twice as many

Kernel find_kernel(const std::string& precision) {
  if (precision == "fp32") {
    if (cpu::amx_pair_kernels() != nullptr)
      return {"AMX TDPBF16PS, three for a product", sums, tile_macs / 3, bf16_amx};
    if (__builtin_cpu_supports("avx512f")) return {"AVX-512 FMA", many, 16, fma_avx512};
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
      return {"AVX2 FMA", many, 8, fma_avx2};
    throw std::runtime_error("this CPU lacks FMA");
  }
  if (precision == "bf16") {
    if (cpu::amx_bf16_kernels() != nullptr) return {"AMX TDPBF16PS", sums, tile_macs, bf16_amx};
    if (__builtin_cpu_supports("avx512bf16")) return {"AVX-512 VDPBF16PS", many, 32, bf16_avx512};
    throw std::runtime_error("this CPU lacks AVX-512 BF16");
  }
  if (cpu::amx_int8_kernels() != nullptr) return {"AMX TDPBUSD", sums, 2 * tile_macs, int8_amx};
  if (__builtin_cpu_supports("avx512vnni")) return {"AVX-512 VPDPBUSD", many, 64, int8_avx512};
  if (__builtin_cpu_supports("avx2")) return {"AVX2 VPMADDUBSW, VPMADDWD, VPADDD", few, 32, int8_avx2};
  throw std::runtime_error("this CPU lacks AVX2");
}

Turn prepare(const std::string& precision, int threads, nlohmann::json& description) {
  const Kernel kernel = find_kernel(precision);
  description["description"] = kernel.instruction;
  return [kernel, threads](double seconds) {
    std::vector<double> rates(static_cast<std::size_t>(threads));
    std::vector<std::thread> team;
    for (double& rate : rates) {
      team.emplace_back([&rate, &kernel, seconds] {
        const Repeated done = repeat(seconds, kernel.loop);
        rate = static_cast<double>(done.times) * rounds * kernel.steps * kernel.macs / done.seconds;
      });
    }
    for (std::thread& thread : team) thread.join();
    double sum = 0;
    for (const double rate : rates) sum += rate;
    return nlohmann::json{{"macs_per_s", sum}};
  };
}

}  // namespace
}  // namespace resnet

int main(int argc, char** argv) {
  std::string precision;
  int threads = 1;
  CLI::App app("MAC/s of this processor; reads lines \"go SECONDS\"", "bench-peak");
  app.add_option("--precision", precision)->required()->check(CLI::IsMember({"fp32", "bf16", "int8"}));
  app.add_option("--threads", threads)->check(CLI::Range(1, 1024));
  CLI11_PARSE(app, argc, argv);
  return resnet::take_turns(
      [&](nlohmann::json& description) { return resnet::prepare(precision, threads, description); });
}
