#include <cstdio>
#include <exception>
#include <new>
#include <string>

#include <CLI/CLI.hpp>

#include "training/available_memory.h"
#include "training/commands.h"
#include "training/interrupt.h"

namespace {

constexpr int kUsageExitCode = 2;

int fail(const std::string& what) {
  // LibTorch's messages carry a stack trace behind the first line.
  std::fprintf(stderr, "resnet: error: %s\n", what.substr(0, what.find('\n')).c_str());
  return 1;
}

int run(int argc, char** argv) {
  CLI::App app("Trains and applies ResNet image classifiers.", "resnet");
  app.set_version_flag("--version", std::string("resnet ") + RESNET_VERSION);
  app.require_subcommand(1);
  app.fallthrough();
  app.get_formatter()->column_width(38);
  app.failure_message([](const CLI::App*, const CLI::Error& error) {
    return std::string("resnet: error: ") + error.what() + " (see resnet --help)\n";
  });
  bool quiet = false;
  app.add_flag("--quiet,-q", quiet, "No progress on stderr, only warnings and errors");
  resnet::Action action;
  resnet::add_train_command(app, quiet, action);
  resnet::add_evaluate_command(app, quiet, action);
  resnet::add_predict_command(app, quiet, action);
  resnet::add_inspect_command(app, quiet, action);
  resnet::add_quantize_command(app, quiet, action);
  resnet::add_convert_command(app, quiet, action);
  resnet::add_data_command(app, quiet, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsageExitCode;
  }
  resnet::catch_interrupts();
  return action();
}

}  // namespace

int main(int argc, char** argv) {
  resnet::keep_freed_memory();
  try {
    return run(argc, argv);
  } catch (const std::bad_alloc&) {
    return fail("out of memory");
  } catch (const std::exception& error) {
    return fail(error.what());
  }
}
