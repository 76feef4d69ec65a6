#ifndef RESNET_MODEL_PAGES_H
#define RESNET_MODEL_PAGES_H

#include <cstddef>

namespace resnet {

// Requests to the operating system about the pages of memory; where it has no such request, nothing happens.

/// Asks for huge pages in new memory that was not touched yet: the first touch of each page costs more than
/// what is written to it.
void use_huge_pages(void* memory, std::size_t size);

/// Gives back the whole pages of memory that is not used any more before the allocation is freed of which it
/// is a part. Their bytes are then undefined.
void drop_pages(void* memory, std::size_t size);

}  // namespace resnet

#endif
