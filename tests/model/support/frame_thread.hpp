// SPDX-License-Identifier: MIT
// The thread-local words of lib/coro/frame_alloc.cpp, which is compiled with these in their place:
// simulated threads share one real one.
#pragma once

#include "model/checker/model.hpp"

#include <cstdint>

namespace sluice::detail {
struct frame_cache;
}

namespace model_test {

struct frame_thread {
  sluice::detail::frame_cache* cache = nullptr;
  bool without = false;  // it has no magazines, and gets none
};

/// That of the running thread, which has put it into its slot.
inline frame_thread& this_frame_thread() noexcept {
  return *static_cast<frame_thread*>(model::thread_slot());
}

}  // namespace model_test

namespace sluice::detail {

// What the edited copy of frame_alloc.cpp shows of its unnamed namespace.

/// As the destructor of the thread's key.
void leave_frames() noexcept;
/// Before any thread: no thread has magazines, nothing was counted.
void forget_frames() noexcept;
/// Of all the caches that were made; linked by `next`.
frame_cache* first_frame_cache() noexcept;
/// Live bytes, as far as threads have told of them.
std::int64_t told_frame_bytes() noexcept;

}  // namespace sluice::detail
