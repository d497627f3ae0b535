// SPDX-License-Identifier: MIT
// Real tasks on workers that serve: records as they are when a process begins.
#pragma once

#include "model/support/bench.hpp"
#include "sched/routine_pool.hpp"

#include <new>
#include <utility>

namespace model_test {

inline void forget_records() {
  sd::routine_pool& pool = sd::routine_pool::instance();
  for (auto* s = pool.slabs_.latest(); s != nullptr;)
    delete std::exchange(s, s->next);
  ::new (&pool) sd::routine_pool;
}

}  // namespace model_test
