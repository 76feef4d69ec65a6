#ifndef RESNET_TRAINING_FORMAT_H
#define RESNET_TRAINING_FORMAT_H

#include <string>

namespace resnet {

/// What std::printf prints, as a string.
[[gnu::format(printf, 1, 2)]] std::string format(const char* pattern, ...);

}  // namespace resnet

#endif
