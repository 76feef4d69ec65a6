#ifndef RESNET_TESTS_PLUGIN_FAIL_ALLOCATIONS_H
#define RESNET_TESTS_PLUGIN_FAIL_ALLOCATIONS_H

#include <cstddef>

namespace resnet {

/// From now on, in all threads and in what the program has loaded, the operator new that is called for the
/// `number`th time throws std::bad_alloc, once. 0: none.
/// @param at_least bytes: smaller ones are not counted and do not fail
void fail_allocation(long number, std::size_t at_least = 0);

/// Whether it has.
bool allocation_failed();

}  // namespace resnet

#endif
