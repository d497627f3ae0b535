// SPDX-License-Identifier: MIT
// The claim word: a wait is ended exactly once, by its object or by a stop request; no stop request is
// lost; who loses touches the wait no more. sched/wait.cpp and detail/sched/wait_point.hpp, as they are.
#include "model/support/actor.hpp"
#include "model/support/check.hpp"
#include "model/support/place.hpp"

namespace {

using namespace sluice::detail;
using model::run;
using model_test::actor;

class event_wait;

/// The smallest object that can be waited on: one waiter, fired once.
struct event {
  spin_lock lock;
  model::plain<bool> fired{false};
  model::plain<event_wait*> waiter{nullptr};

  void fire() noexcept;
};

class event_wait : public wait_point {
 public:
  event_wait(await_site s, event& e) noexcept : wait_point(s, kind_), e_(e) {}

  /// Returns: whether the routine is suspended or refused.
  bool suspend() noexcept {
    routine& r = owner();
    if (r.must_stop()) return refuse(*this, {}), true;
    const spin_guard guard(e_.lock);
    if (e_.fired) return false;
    begin_wait(*this, {});
    e_.waiter = this;
    if (!r.claim.arm(claim_word::armed, r)) {
      e_.waiter = nullptr;
      refuse(*this, {});
    }
    return true;
  }

  model::plain<int> value{0};

 private:
  static void abandon(wait_point& self) noexcept {
    event& e = static_cast<event_wait&>(self).e_;
    const spin_guard guard(e.lock);
    if (e.waiter == &self) e.waiter = nullptr;
  }
  static constexpr wait_kind kind_{sluice::wait_reason::none, abandon, nullptr, nullptr};
  event& e_;
};

void event::fire() noexcept {
  lock.lock();
  fired = true;
  event_wait* w = waiter;
  routine* woken = nullptr;
  if (w != nullptr && w->owner().claim.claim_armed()) {
    w->value = 1;
    waiter = nullptr;
    woken = &w->owner();
  }
  lock.unlock();
  if (woken != nullptr) make_runnable(*woken);
}

enum class ending { none, done, stopped };

/// A routine that waits for one event after another, in one place of its frame.
struct waiter : actor {
  explicit waiter(event (&events)[2]) : e(events) {}

  /// Runs until it is suspended or ends. Its next steps may be another thread's.
  void start_or_resume(bool resumed) {
    if (resumed) end_wait();
    while (end == ending::none && at < 2) {
      if (w.make(site(), e[at]).suspend() && !refused()) return;  // published
      if (refused()) return finish(ending::stopped);
      leave_wait();
    }
    if (end == ending::none) finish(ending::done);
  }
  void end_wait() {
    if (unwinding) {
      w->kind->abandon(*w);
      return finish(ending::stopped);
    }
    model::require(w->value == 1, "a routine is resumed by nobody");
    leave_wait();
  }
  void leave_wait() {
    w.leave();
    ++at;
  }
  void finish(ending how) {
    if (how == ending::stopped) w.leave();
    model::require(end == ending::none, "a routine ends twice");
    end = how;
  }
  /// A thread's life: takes the routine on whenever it is runnable.
  void serve() {
    for (;;) {
      await_turn();
      start_or_resume(true);
    }
  }

  event (&e)[2];
  model_test::place<event_wait> w;
  int at = 0;  // the event that it waits for
  ending end = ending::none;
};

[[maybe_unused]] void stop_alone(run& x) {
  event e[2];
  waiter r(e);
  x.thread("routine", [&] { r.start_or_resume(false); });
  x.thread("stopper", [&] { request_stop(r); });
  x.daemon("worker", [&] { r.serve(); });
  x.join();
  model::require(r.end == ending::stopped, "a stop request is lost");
}

[[maybe_unused]] void stop_against_event(run& x) {
  event e[2];
  waiter r(e);
  x.thread("routine", [&] { r.start_or_resume(false); });
  x.thread("firer", [&] {
    e[0].fire();
    e[1].fire();
  });
  x.thread("stopper", [&] { request_stop(r); });
  x.daemon("worker", [&] { r.serve(); });
  x.join();
  model::require(r.end != ending::none, "a wake is lost");
}

[[maybe_unused]] void two_stops(run& x) {
  event e[2];
  waiter r(e);
  x.thread("routine", [&] { r.start_or_resume(false); });
  x.thread("stopper 0", [&] { request_stop(r); });
  x.thread("stopper 1", [&] { request_stop(r); });
  x.daemon("worker", [&] { r.serve(); });
  x.join();
  model::require(r.end == ending::stopped, "a stop request is lost");
}

}  // namespace

#if !defined(MODEL_FAULT)

TEST_SUITE("model/claim") {
  TEST_CASE("claim: a stop request reaches a routine that begins to wait") {
    model_test::holds_both_ways("claim, stop", {.preemptions = 4, .stale = 4}, stop_alone);
  }

  TEST_CASE("claim: a wait is ended once, by its event or by a stop request") {
    model_test::holds_both_ways("claim, stop against events", {.preemptions = 2, .stale = 2},
                                stop_against_event);
  }

  TEST_CASE("claim: a wait is ended once, three preemptions [long]") {
    model_test::holds_both_ways("claim, stop against events", {.preemptions = 3, .stale = 1},
                                stop_against_event);
  }

  TEST_CASE("claim: two stop requests end a wait once") {
    model_test::holds_both_ways("claim, two stops", {.preemptions = 2, .stale = 2}, two_stops);
  }

  TEST_CASE("claim: an order that is too weak is found") {
    using enum std::memory_order;
    model_test::finds(
        "stop request is lost", "claim, armed with release only",
        {.weaken = {{"asymmetric.hpp", "light_store", model::stores, seq_cst, release}}},
        stop_alone);
    model_test::finds(
        "stop request is lost", "claim, the routine looks with acquire only",
        {.weaken = {{"asymmetric.hpp", "light_load", model::loads, seq_cst, acquire}}}, stop_alone);
    model_test::finds("stop request is lost", "claim, the request is only released",
                      {.weaken = {{"wait.cpp", "request_stop", model::stores, seq_cst, release}}},
                      stop_alone);
    model_test::finds(
        "stop request is lost", "claim, the requester looks with acquire only",
        {.weaken = {{"wait_point.hpp", "peek_after_request", model::loads, seq_cst, acquire}}},
        stop_alone);
  }
}

#else

TEST_SUITE("model/claim, faulty") {
  TEST_CASE("claim: " MODEL_FAULT " is found") {
    model_test::finds(MODEL_FINDS, "claim, " MODEL_FAULT, {.membarrier = true}, MODEL_PROGRAM);
  }
}

#endif
