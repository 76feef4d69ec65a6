#ifndef RESNET_TESTS_BENCHMARKS_NETWORK_OPTIONS_H
#define RESNET_TESTS_BENCHMARKS_NETWORK_OPTIONS_H

#include <map>
#include <string>

#include <CLI/CLI.hpp>

#include "model/executor.h"

namespace resnet {

/// What the benchmarks of the network itself share on their command lines.
inline void add_network_options(CLI::App& app, ExecutorOptions& options) {
  static const std::map<std::string, Precision> names{{"auto", Precision::automatic},
                                                      {"fp32", Precision::fp32},
                                                      {"bf16", Precision::bf16},
                                                      {"fp16", Precision::fp16},
                                                      {"int8", Precision::int8}};
  app.add_option("--precision", options.precision, "Number format of the network")
      ->transform(CLI::CheckedTransformer(names));
  app.add_option("--threads", options.threads, "CPU threads of the network; 0: all cores")
      ->check(CLI::Range(0, 1024));
  app.add_option("--device", options.device, "auto, cpu, cuda or cuda:N")->capture_default_str();
}

}  // namespace resnet

#endif
