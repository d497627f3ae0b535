// SPDX-License-Identifier: MIT
// A routine that waits on a real worker, the only one of its executor, with the code of a test in place
// of a coroutine.
#pragma once

#include "model/support/bench.hpp"

namespace model_test {

struct awaiter {
  enum class ending { none, done, stopped };

  awaiter() {
    r.executor = &b.ex;
    r.hop = &worker();
    r.phase.store(sd::routine_phase::live, std::memory_order_relaxed);
  }

  sd::worker& worker() { return b.worker(0); }
  fake_reactor& io() { return b.io(0); }

  /// Before each wait: the routine runs. Returns: what the wait is made with.
  sd::await_site site() {
    sd::worker& w = b.become(0);
    w.end = sd::verdict::parked;
    w.awaits_left = sd::awaits_in_a_turn;
    return {&r, std::source_location::current()};
  }
  /// Whether the wait was refused because of a stop request.
  bool refused() { return worker().end == sd::verdict::stopped; }

  void finish(ending how) {
    model::require(end == ending::none, "a routine ends twice");
    end = how;
  }

  /// The worker goes on with whatever comes: that is the routine, after each of its waits, with
  /// `resumed(stopped)`.
  template <class F>
  void serve(F&& resumed) {
    for (;;) {
      sd::routine* next = worker().next();
      model::require(next == &r && end == ending::none, "a routine is resumed twice");
      r.claim.run();
      const bool stopped = r.unwinding;
      if (stopped && r.wait->kind->abandon != nullptr) r.wait->kind->abandon(*r.wait);
      resumed(stopped);
    }
  }

  void check_ended() const { model::require(end != ending::none, "a wake is lost"); }

  bench b{1};
  sd::routine r;
  ending end = ending::none;
};

}  // namespace model_test
