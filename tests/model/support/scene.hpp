// SPDX-License-Identifier: MIT
// A program of one routine, and of those that it starts, on workers that serve, among threads of a test.
#pragma once

#include <sluice/detail/sched/start_routine.hpp>

#include "model/support/task_bench.hpp"

#include <cstddef>
#include <source_location>

namespace model_test {

/// Not destroyed where an execution fails: locks may be held.
struct scene {
  explicit scene(int workers) : b((forget_records(), workers)) {}

  /// Of routine `i`, the root by default, from its first step until its frames are gone.
  class life {
   public:
    explicit life(scene* s, int i = 0) noexcept : s_(s), i_(i) { ++s->live; }
    life(const life&) = delete;
    life& operator=(const life&) = delete;
    ~life() {
      --s_->live;
      s_->work[i_] = 1;
      ++s_->ended;
    }

   private:
    scene* s_;
    int i_;
  };

  /// Starts the root; `in`: in that context.
  template <class F, class S>
  void start(F body, S* self, const sd::context_ref* in = nullptr) {
    root = sd::start_routine({&b.ex, std::source_location::current(), nullptr, in}, body, self);
  }

  /// Until nobody moves: then `n` routines have ended, and none is left.
  void play(model::run& x, int n = 1) {
    for (std::size_t i = 0; i < b.ex.workers().size(); ++i) {
      x.daemon(i == 0 ? "worker 0" : "worker 1",
               [this, i] { serve_whole(b.worker(static_cast<int>(i))); });
    }
    x.join();
    see_all();
    model::require(ended == n && live == 0, "a routine is left behind");
  }

  /// Who calls comes after whatever the routines have done.
  void see_all() const {
    for (const model::plain<int>& each : work)
      static_cast<void>(each.get());
  }

  bench b;
  sd::routine_ref root;
  model::plain<int> work[4];  // by routine: its last step
  int live = 0;               // of the checks, as below
  int ended = 0;
};

}  // namespace model_test
