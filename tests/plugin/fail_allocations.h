#ifndef RESNET_TESTS_PLUGIN_FAIL_ALLOCATIONS_H
#define RESNET_TESTS_PLUGIN_FAIL_ALLOCATIONS_H

namespace resnet {

/// From now on, in all threads and in what the program has loaded, the operator new that is called for the
/// `number`th time throws std::bad_alloc, once. 0: none.
void fail_allocation(long number);

/// Whether it has.
bool allocation_failed();

}  // namespace resnet

#endif
