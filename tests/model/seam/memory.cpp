// SPDX-License-Identifier: MIT
// Frames of the heap. A file of its own in the archive: programs about the frame pool bring that.
#include <sluice/detail/coro/frame_alloc.hpp>

#include <new>

namespace sluice::detail {

void* frame_allocate(std::size_t size) {
  return ::operator new(size);
}
void frame_free(void* frame, std::size_t size) noexcept {
  ::operator delete(frame, size);
}

}  // namespace sluice::detail
