// SPDX-License-Identifier: MIT
// Contexts: a cancel against whatever the routines in them do meanwhile: wait, be served, enter and leave, make
// children, come to a deadline, take a function back. cancel_node.cpp, boundary.cpp, wait.cpp and
// what they rest on, as they are, with tasks on workers that serve.
#include <sluice/boundary.hpp>
#include <sluice/chan.hpp>
#include <sluice/context.hpp>
#include <sluice/routine.hpp>
#include <sluice/task.hpp>
#include <sluice/time.hpp>

#include "model/support/check.hpp"
#include "model/support/scene.hpp"

#include <chrono>
#include <optional>
#include <utility>

namespace {

using namespace sluice::detail;
using model::run;
using model_test::scene;
using sluice::context;
using sluice::result;
using sluice::task;

/// A scene with a context that a thread cancels, and a channel that another one sends to.
struct stage : scene {
  explicit stage(int workers = 1) : scene(workers), owner(context::background().with_cancel()) {}

  void cancels(run& x) {
    x.thread("canceller", [this] { owner.cancel(sluice::errc::closed); });
  }
  void sends(run& x) {
    x.thread("sender", [this] { model::require(c.try_send(1), "there is room"); });
  }

  sluice::owned_context owner;
  sluice::chan<int> c{1};
  int got = 0;
  bool went_on = false;
};

task<> wait_for_ever() {
  co_await sluice::sleep_until(sluice::time_point::max());
  model::fail("a wait without end ends");
}

// ---- a routine in the context

[[maybe_unused]] task<> wait(stage* s) {
  const scene::life whole(s);
  co_await wait_for_ever();
}
[[maybe_unused]] void cancel_against_wait(run& x) {
  auto* s = new stage;  // not destroyed where an execution fails: locks may be held
  s->start(wait, s, &s->owner.node());
  s->cancels(x);
  s->play(x);
  delete s;
}
[[maybe_unused]] void two_cancels(run& x) {
  auto* s = new stage;
  s->start(wait, s, &s->owner.node());
  s->cancels(x);
  x.thread("another", [s] { s->owner.cancel(); });
  s->play(x);
  model::require(
      s->owner.cause() == sluice::errc::closed || s->owner.cause() == sluice::errc::canceled,
      "a context has no cause");
  delete s;
}

[[maybe_unused]] task<> receive(stage* s) {
  const scene::life whole(s);
  s->got = (co_await s->c.recv()).value_or(0);
}
/// `Stops`: requests to the routine besides.
template <int Stops>
[[maybe_unused]] void cancel_against_value(run& x) {
  auto* s = new stage;
  s->start(receive, s, &s->owner.node());
  s->cancels(x);
  s->sends(x);
  if constexpr (Stops != 0) x.thread("stopper", [s] { s->root.request_stop(); });
  s->play(x);
  model::require(s->got + static_cast<int>(s->c.len()) == 1, "a value is lost");
  delete s;
}

// ---- one that enters it, and leaves it

[[maybe_unused]] task<> turn() {
  co_await sluice::yield();
}
template <auto Work>
[[maybe_unused]] task<> enter_and_leave(stage* s) {
  const scene::life whole(s);
  static_cast<void>(co_await sluice::with_context(s->owner, Work()));
  // Nobody asks it to stop out here.
  const std::optional<int> got = co_await s->c.recv();
  s->got = got.value_or(0);
  s->went_on = true;
}
template <auto Work>
[[maybe_unused]] void cancel_against_boundary(run& x) {
  auto* s = new stage;
  s->start(enter_and_leave<Work>, s);
  s->cancels(x);
  s->sends(x);
  s->play(x);
  model::require(s->went_on, "a routine is stopped by a context that it has left");
  model::require(s->got == 1, "a value is lost");
  delete s;
}

// ---- nodes below it

[[maybe_unused]] task<> make_child(stage* s) {
  const scene::life whole(s);
  const sluice::owned_context child = context(s->owner).with_cancel();
  const result<void> r = co_await sluice::with_context(child, wait_for_ever());
  model::require(!r && r.error().code() == sluice::errc::closed, "a cause is not handed down");
  co_await sluice::yield();
  s->went_on = true;
}
[[maybe_unused]] void cancel_against_child(run& x) {
  auto* s = new stage;
  s->start(make_child, s);
  s->cancels(x);
  s->play(x);
  model::require(s->went_on, "a routine is stopped by a context that it has left");
  delete s;
}
/// The parent and its child are cancelled at the same time.
[[maybe_unused]] void cancel_of_both(run& x) {
  auto* s = new stage;
  auto* child = new sluice::owned_context(context(s->owner).with_cancel());
  s->start(wait, s, &child->node());
  s->cancels(x);
  x.thread("of the child", [child] { child->cancel(); });
  s->play(x);
  model::require(!!child->err() && !!s->owner.err(), "a context is open still");
  delete child;
  delete s;
}

// ---- deadlines

/// `Alone`: nobody else takes the deadline out of its heap, which may be a moment later.
template <bool Alone>
[[maybe_unused]] task<> receive_in_time(stage* s) {
  const scene::life whole(s);
  using std::chrono::milliseconds;
  const result<std::optional<int>> r = co_await sluice::with_timeout(milliseconds(30), s->c.recv());
  model::require(!Alone || s->b.worker(0).timers.size() == 0, "a deadline is left behind");
  if (r) s->got = r->value_or(0);
  model::require(r || r.error().code() == sluice::errc::deadline_exceeded,
                 "an end without a reason");
}
/// `Cancels`: the context around it, too.
template <bool Cancels>
[[maybe_unused]] void deadline_against_value(run& x) {
  auto* s = new stage;
  s->start(receive_in_time<!Cancels>, s, Cancels ? &s->owner.node() : nullptr);
  if (Cancels) s->cancels(x);
  s->sends(x);
  s->play(x);
  model::require(s->got + static_cast<int>(s->c.len()) == 1, "a value is lost");
  delete s;
}

// ---- done(), and functions that run then

[[maybe_unused]] task<> await_end(stage* s) {
  const scene::life whole(s);
  co_await s->owner.done();
  model::require(!!s->owner.err(), "the end of a context that is open is told");
  s->went_on = true;
}
/// `InIt`: the routine stands in the context that it awaits the end of.
template <bool InIt>
[[maybe_unused]] void cancel_against_done(run& x) {
  auto* s = new stage;
  s->start(await_end, s, InIt ? &s->owner.node() : nullptr);
  s->cancels(x);
  if constexpr (!InIt) x.thread("stopper", [s] { s->root.request_stop(); });
  s->play(x);
  model::require(!InIt || s->went_on, "an end is not told");
  delete s;
}

struct recalling : stage {
  atomic<bool> registered{false};
  bool in_time = false;
  int runs = 0;
};
[[maybe_unused]] task<> recall(recalling* s) {
  const scene::life whole(s);
  auto f = s->owner.after_func([](recalling* r) { ++r->runs; }, s);
  s->registered.store(true, std::memory_order_release);  // release: the canceller begins
  co_await sluice::yield();
  s->in_time = f.stop();
  model::require(!f.stop(), "a function is taken back twice");
}
[[maybe_unused]] void cancel_against_recall(run& x) {
  auto* s = new recalling;
  s->start(recall, s);
  x.thread("canceller", [s] {
    model::wait_until("the function", [s] { return s->registered.latest(); });
    s->owner.cancel();
  });
  s->play(x);
  model::require(s->runs == 0 || !s->in_time, "a function runs that was taken back");
  model::require(s->runs == 1 || s->in_time, "a function does not run, or twice");
  delete s;
}

}  // namespace

#if !defined(MODEL_FAULT)

TEST_SUITE("model/context") {
  TEST_CASE("context: a cancel meets a routine that begins to wait") {
    model_test::holds_both_ways("context, a wait", {.preemptions = 3, .stale = 1},
                                cancel_against_wait);
    model_test::holds_both_ways("context, two cancels", {.preemptions = 2, .stale = 0},
                                two_cancels);
  }

  TEST_CASE("context: a cancel meets a value") {
    model_test::holds_both_ways("context, a value", {.preemptions = 2, .stale = 1},
                                cancel_against_value<0>);
    model_test::holds_both_ways("context, a value, and a stop", {.preemptions = 1, .stale = 1},
                                cancel_against_value<1>);
  }

  TEST_CASE("context: a cancel meets a routine that enters and leaves") {
    model_test::holds_both_ways("context, a boundary left", {.preemptions = 2, .stale = 1},
                                cancel_against_boundary<turn>);
    model_test::holds_both_ways("context, a boundary that it ends", {.preemptions = 2, .stale = 1},
                                cancel_against_boundary<wait_for_ever>);
  }

  TEST_CASE("context: a cancel meets a child that is made, or cancelled") {
    model_test::holds_both_ways("context, a child", {.preemptions = 3, .stale = 1},
                                cancel_against_child);
    model_test::holds_both_ways("context, both cancelled", {.preemptions = 2, .stale = 0},
                                cancel_of_both);
  }

  TEST_CASE("context: a deadline meets a value, and a cancel around it") {
    model_test::holds_both_ways("context, a deadline", {.preemptions = 4, .stale = 2},
                                deadline_against_value<false>);
    model_test::holds_both_ways("context, a deadline and a cancel", {.preemptions = 1, .stale = 1},
                                deadline_against_value<true>);
  }

  TEST_CASE("context: a cancel meets who awaits it, and a function that is taken back") {
    model_test::holds_both_ways("context, done in it", {.preemptions = 2, .stale = 1},
                                cancel_against_done<true>);
    model_test::holds_both_ways("context, done against a stop", {.preemptions = 2, .stale = 1},
                                cancel_against_done<false>);
    model_test::holds_both_ways("context, a function", {.preemptions = 2, .stale = 1},
                                cancel_against_recall);
  }
}

#else

TEST_SUITE("model/context, faulty") {
  TEST_CASE("context: " MODEL_FAULT " is found") {
    model_test::finds(MODEL_FINDS, "context, " MODEL_FAULT,
                      {.preemptions = 2, .stale = MODEL_OLD_READS, .membarrier = true},
                      MODEL_PROGRAM);
  }
}

#endif
