#ifndef RESNET_TRAINING_COMMANDS_H
#define RESNET_TRAINING_COMMANDS_H

#include <functional>

namespace CLI {
class App;
}

namespace resnet {

/// What the command line asks for; returns the exit code.
using Action = std::function<int()>;

// Each adds its subcommand to the application; when it is chosen, parsing sets `action`. `quiet` is filled by
// then.
void add_train_command(CLI::App& app, const bool& quiet, Action& action);
void add_evaluate_command(CLI::App& app, const bool& quiet, Action& action);
void add_predict_command(CLI::App& app, const bool& quiet, Action& action);
void add_inspect_command(CLI::App& app, const bool& quiet, Action& action);
void add_quantize_command(CLI::App& app, const bool& quiet, Action& action);
void add_convert_command(CLI::App& app, const bool& quiet, Action& action);
void add_data_command(CLI::App& app, const bool& quiet, Action& action);

}  // namespace resnet

#endif
