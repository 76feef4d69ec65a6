#ifndef RESNET_MODEL_SHORTEST_DOUBLE_H
#define RESNET_MODEL_SHORTEST_DOUBLE_H

#include <array>
#include <charconv>

namespace resnet {

/// The double of the shortest decimal that reads back as the same float: 0.485, not 0.4850000143051147, for
/// JSON.
inline double shortest_double(float value) {
  std::array<char, 32> text{};
  const char* end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  double result = 0;
  std::from_chars(text.data(), end, result);
  return result;
}

}  // namespace resnet

#endif
