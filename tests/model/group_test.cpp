// SPDX-License-Identifier: MIT
// Groups: the ends and failures of their routines against the join, against each other and against a stop.
// group_core.cpp and all that it rests on, as they are, with tasks on workers that serve.
#include <sluice/context.hpp>
#include <sluice/errgroup.hpp>
#include <sluice/error.hpp>
#include <sluice/routine.hpp>
#include <sluice/task.hpp>
#include <sluice/time.hpp>

#include "model/support/check.hpp"
#include "model/support/scene.hpp"

namespace {

using namespace sluice::detail;
using model::run;
using model_test::scene;
using sluice::errgroup;
using sluice::result;
using sluice::task;

struct grouping : scene {
  explicit grouping(int workers)
      : scene(workers), owner(sluice::context::background().with_cancel()) {}

  /// By the root, behind its group.
  void check_joined() {
    model::require(live == 1, "a group ends before its routines");
    see_all();
  }

  sluice::owned_context owner;
  bool went_on = false;
};

/// Looks when the root is left, be it that it is stopped.
class joined {
 public:
  explicit joined(grouping* g) noexcept : g_(g) {}
  joined(const joined&) = delete;
  joined& operator=(const joined&) = delete;
  ~joined() { g_->check_joined(); }

 private:
  grouping* g_;
};

[[maybe_unused]] task<> turn(grouping* g, int i) {
  const scene::life whole(g, i);
  co_await sluice::yield();
}
[[maybe_unused]] task<> wait_for_ever(grouping* g, int i) {
  const scene::life whole(g, i);
  co_await sluice::sleep_until(sluice::time_point::max());
  model::fail("a wait without end ends");
}
[[maybe_unused]] task<result<void>> fail_later(grouping* g, int i) {
  const scene::life whole(g, i);
  co_await sluice::yield();
  co_return sluice::error(sluice::errc::closed, "try");
}

/// `N` routines that end, at most `Limit` at a time.
template <int N, int Limit>
[[maybe_unused]] task<> join_ends(grouping* g) {
  const scene::life whole(g);
  const joined checked(g);
  const auto body = [g](errgroup& e) -> task<> {
    for (int i = 1; i <= N; ++i)
      e.go(turn, g, i);
    co_return;
  };
  const result<void> r = co_await errgroup::run({.limit = Limit}, body);
  model::require(r.has_value(), "a group fails by itself");
  g->went_on = true;
}

/// A failure stops the sibling, whenever that is started.
[[maybe_unused]] task<> join_failure(grouping* g) {
  const scene::life whole(g);
  const joined checked(g);
  const auto body = [g](errgroup& e) -> task<> {
    e.go(fail_later, g, 1);
    e.go(wait_for_ever, g, 2);
    co_return;
  };
  const result<void> r = co_await errgroup::run(body);
  model::require(!r && r.error().code() == sluice::errc::closed, "a failure is lost");
  co_await sluice::yield();  // nobody asks the root to stop
  g->went_on = true;
}

/// For a stop: the body ends, and the root waits for one that ends by a stop only.
[[maybe_unused]] task<> join_waiting(grouping* g) {
  const scene::life whole(g);
  const joined checked(g);
  const auto body = [g](errgroup& e) -> task<> {
    e.go(wait_for_ever, g, 1);
    co_return;
  };
  static_cast<void>(co_await errgroup::run(body));
  model::fail("a group that was stopped with its caller returns");
}

template <auto Root, int Workers, int Routines>
[[maybe_unused]] void group_of(run& x) {
  auto* g = new grouping(Workers);  // not destroyed where an execution fails: locks may be held
  g->start(Root, g);
  g->play(x, Routines);
  model::require(g->went_on, "a routine is stopped by a group that has ended");
  delete g;
}

enum class by { handle, context };
template <by How>
[[maybe_unused]] void stop_of_group(run& x) {
  auto* g = new grouping(1);
  g->start(join_waiting, g, &g->owner.node());
  x.thread("stopper", [g] {
    if (How == by::handle) return g->root.request_stop();
    g->owner.cancel();
  });
  g->play(x, 2);
  delete g;
}

/// A stop of the caller meets the end of the last routine: either is right, but all have ended.
[[maybe_unused]] void stop_against_end(run& x) {
  auto* g = new grouping(1);
  g->start(join_ends<1, 1>, g, &g->owner.node());
  x.thread("stopper", [g] { g->root.request_stop(); });
  g->play(x, 2);
  delete g;
}

}  // namespace

#if !defined(MODEL_FAULT)

TEST_SUITE("model/group") {
  TEST_CASE("group: the last routine ends while the caller begins to wait") {
    model_test::holds_both_ways("group, an end", {.preemptions = 2, .stale = 0},
                                group_of<join_ends<2, 9>, 2, 3>);
    model_test::holds_both_ways("group, at its limit", {.preemptions = 2, .stale = 0},
                                group_of<join_ends<2, 1>, 2, 3>);
  }

  TEST_CASE("group: a routine fails while another is started, and the caller begins to wait") {
    model_test::holds_both_ways("group, a failure", {.preemptions = 2, .stale = 0},
                                group_of<join_failure, 2, 3>);
  }

  TEST_CASE("group: a stop of the caller meets the join") {
    model_test::holds_both_ways("group, a stop by the handle", {.preemptions = 3, .stale = 1},
                                stop_of_group<by::handle>);
    model_test::holds_both_ways("group, a stop by a context", {.preemptions = 2, .stale = 1},
                                stop_of_group<by::context>);
    model_test::holds_both_ways("group, a stop against an end", {.preemptions = 3, .stale = 1},
                                stop_against_end);
  }
}

#else

TEST_SUITE("model/group, faulty") {
  TEST_CASE("group: " MODEL_FAULT " is found") {
    model_test::finds(MODEL_FINDS, "group, " MODEL_FAULT,
                      {.preemptions = 2, .stale = MODEL_OLD_READS, .membarrier = true},
                      MODEL_PROGRAM);
  }
}

#endif
