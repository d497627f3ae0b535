// SPDX-License-Identifier: MIT
// Real tasks on workers that serve: frames of the heap (their pool has a program of its own), and
// records as they are when a process begins. Included by one source of a program.
#pragma once

#include <sluice/detail/coro/frame_alloc.hpp>

#include "model/support/bench.hpp"
#include "sched/routine_pool.hpp"

#include <cstddef>
#include <new>
#include <utility>

namespace sluice::detail {

void* frame_allocate(std::size_t size) {
  return ::operator new(size);
}
void frame_free(void* frame, std::size_t size) noexcept {
  ::operator delete(frame, size);
}

}  // namespace sluice::detail

namespace model_test {

inline void forget_records() {
  sd::routine_pool& pool = sd::routine_pool::instance();
  for (auto* s = pool.slabs_.latest(); s != nullptr;)
    delete std::exchange(s, s->next);
  ::new (&pool) sd::routine_pool;
}

}  // namespace model_test
