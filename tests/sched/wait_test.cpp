// SPDX-License-Identifier: MIT
// The claim word: every step of its table, and who wins when two claim at once.
#include "sched/wait.hpp"

#include "base/asymmetric.hpp"
#include "sched/routine.hpp"
#include "support/watchdog.hpp"

#include <atomic>
#include <thread>

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice_test;
using detail::claim_word;
using detail::routine_head;

namespace {

/// Spins, so that both sides set out together; on a busy machine the other one gets the CPU.
void await_round(const std::atomic<int>& word, int round) {
  for (int spins = 0; word.load(std::memory_order_acquire) != round; ++spins) {
    if (spins > 2000) std::this_thread::yield();
  }
}

}  // namespace

TEST_SUITE("sched/wait") {
  TEST_CASE("claim word: an armed wait is claimed by one party only") {
    routine_head r;
    claim_word w;
    CHECK(w.peek() == claim_word::running);
    CHECK_FALSE(w.claim_armed());
    CHECK(w.arm(claim_word::armed, r));
    CHECK(w.peek() == claim_word::armed);
    CHECK_FALSE(w.claim_pinned());
    CHECK_FALSE(w.begin_stop());
    CHECK(w.claim_armed());
    CHECK_FALSE(w.claim_armed());
    CHECK(w.peek() == claim_word::claimed);
    w.run();
    CHECK(w.peek() == claim_word::running);
  }

  TEST_CASE("claim word: arming is refused, and taken back, once a stop was requested") {
    for (const auto how : {claim_word::armed, claim_word::pinned}) {
      routine_head r;
      r.stop_requested.store(true, std::memory_order_relaxed);
      claim_word w;
      CHECK_FALSE(w.arm(how, r));
      CHECK(w.peek() == claim_word::running);
    }
  }

  TEST_CASE("claim word: a pinned wait is not ended while a stop request is on its way") {
    routine_head r;
    claim_word w;
    CHECK(w.arm(claim_word::pinned, r));
    CHECK_FALSE(w.claim_armed());
    CHECK(w.begin_stop());
    CHECK_FALSE(w.begin_stop());
    CHECK_FALSE(w.claim_pinned());
    CHECK(w.peek() == claim_word::stopping);
    w.unpin();
    CHECK(w.begin_stop());
    w.unpin();
    CHECK(w.claim_pinned());
    CHECK(w.peek() == claim_word::claimed);
    w.run();
    CHECK(w.arm(claim_word::pinned, r));
    CHECK(w.begin_stop());
    w.claim_stopping();
    CHECK(w.peek() == claim_word::claimed);
  }

  TEST_CASE("claim word: of a waker and a stop request exactly one gets the wait") {
    watchdog dog("claim word");
    detail::asymmetric_init();
    const int n = rounds(30'000);
    routine_head r;
    claim_word w;
    std::atomic<int> turn{0};        // even: the round is being prepared
    std::atomic<int> by_request{0};  // claims of the requester
    std::atomic<int> ready{0};
    std::thread requester([&] {
      for (int i = 1; i <= n; ++i) {
        await_round(turn, i);
        r.stop_requested.store(true, std::memory_order_seq_cst);
        detail::heavy_barrier();
        if (w.claim_armed()) by_request.fetch_add(1, std::memory_order_relaxed);
        ready.store(i, std::memory_order_release);
      }
    });
    int refused = 0;
    int woken = 0;
    for (int i = 1; i <= n; ++i) {
      r.stop_requested.store(false, std::memory_order_relaxed);
      turn.store(i, std::memory_order_release);
      const bool armed = w.arm(claim_word::armed, r);
      if (!armed) ++refused;
      if (armed && i % 3 == 0 && w.claim_armed()) ++woken;
      await_round(ready, i);
      w.run();
      if (i % 1024 == 0) dog.progress();
    }
    requester.join();
    // Each round ended in one of the three ways: none was left armed with a request made.
    CHECK(refused + woken + by_request.load() == n);
  }
}
