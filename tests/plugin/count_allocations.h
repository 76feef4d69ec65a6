#ifndef RESNET_TESTS_PLUGIN_COUNT_ALLOCATIONS_H
#define RESNET_TESTS_PLUGIN_COUNT_ALLOCATIONS_H

#include <cstddef>

namespace resnet {

/// How often operator new has been called in this thread, by the program and what it has loaded. Under a
/// sanitizer, which has its own, 0.
std::size_t allocations();

}  // namespace resnet

#endif
