#ifndef RESNET_TRAINING_INTERRUPT_H
#define RESNET_TRAINING_INTERRUPT_H

namespace resnet {

/// What a program stopped by Ctrl-C exits with (128 + SIGINT).
inline constexpr int kInterruptedExitCode = 130;

/// From now on the first SIGINT or SIGTERM only sets interrupted(); a second one ends the process at once.
void catch_interrupts();

bool interrupted();

}  // namespace resnet

#endif
