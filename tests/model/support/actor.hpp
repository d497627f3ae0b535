// SPDX-License-Identifier: MIT
// Routines whose code is a simulated thread, without workers: what makes a routine runnable lets its
// thread, or whichever waits for it, go on. Stands in for worker.cpp and executor_core.cpp.
#pragma once

#include "model/checker/model.hpp"
#include "model/checker/plain.hpp"
#include "sched/executor_core.hpp"
#include "sched/wait.hpp"

#include <coroutine>
#include <cstddef>

namespace model_test {

namespace sd = sluice::detail;

struct actor : sd::routine {
  actor();

  /// Blocks until the routine was made runnable, and takes it on.
  void await_turn();
  /// The await_site that its waits are made with.
  sd::await_site site() noexcept { return {this, std::source_location::current()}; }
  /// Whether the last wait was refused because of a stop request.
  bool refused() const noexcept { return hop->end == sd::verdict::stopped; }

  sd::atomic<int> runnable{0};  // times that it was made runnable and not taken on

 private:
  // Never looked into but for the time at which a wait begins, and how it did: no code runs on it.
  alignas(sd::worker) std::byte worker_[sizeof(sd::worker)] = {};
};

}  // namespace model_test
