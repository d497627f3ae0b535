// SPDX-License-Identifier: MIT
// The end of the edited copy of lib/coro/frame_alloc.cpp: shows what its unnamed namespace holds.
#pragma once

#include "coro/frame_alloc.hpp"
#include "model/support/frame_thread.hpp"

namespace sluice::detail {

void leave_frames() noexcept {
  leave_thread(own_cache);
}

void forget_frames() noexcept {
  ::new (&registry) cache_registry;  // an execution that failed may have left it locked
  registry.has_key = true;           // none is needed
  // relaxed: before any thread
  published_bytes.store(0, std::memory_order_relaxed);
  peak_bytes.store(0, std::memory_order_relaxed);
}

frame_cache* first_frame_cache() noexcept {
  return registry.all;
}

std::int64_t told_frame_bytes() noexcept {
  return published_bytes.load(std::memory_order_relaxed);  // relaxed: after all threads
}

}  // namespace sluice::detail
