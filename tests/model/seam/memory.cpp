// SPDX-License-Identifier: MIT
// Memory for nodes of contexts. A file of its own in the archive: programs about frames bring theirs.
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
