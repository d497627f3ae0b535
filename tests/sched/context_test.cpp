// SPDX-License-Identifier: MIT
// Contexts: the tree, what is inherited, when they end and by what. How routines stop for it inside of
// boundaries: boundary_test.cpp.
#include <sluice/boundary.hpp>
#include <sluice/chan.hpp>
#include <sluice/context.hpp>
#include <sluice/routine.hpp>
#include <sluice/time.hpp>
#include <sluice/when_all.hpp>

#include "sched/worker.hpp"
#include "support/boundaries.hpp"
#include "support/everywhere.hpp"

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice_test;
using namespace std::chrono_literals;

namespace {

struct name {
  std::string text;
};
struct number {
  int n = 0;
};

const void* current_executor() {
  return &detail::current_worker()->ex;
}

int number_here() {
  const number* found = context::current().value<number>();
  return found != nullptr ? found->n : -1;
}

}  // namespace

TEST_SUITE_BEGIN("sched/context");

TEST_CASE("context: outside of routines it is the background, which has nothing") {
  const context none = context::current();
  CHECK(none == context::background());
  CHECK_FALSE(none.err());
  CHECK_FALSE(none.cause());
  CHECK_FALSE(none.deadline().has_value());
  CHECK(none.value<number>() == nullptr);
  auto own = none.with_cancel();
  CHECK_FALSE(own.err());
  own.cancel();
  CHECK(own.err() == errc::canceled);
  CHECK(own.cause() == errc::canceled);
  CHECK_FALSE(none.err());
  // A deadline needs a worker that keeps the time, unless it is over, or an earlier one is kept.
  CHECK_THROWS_AS(static_cast<void>(none.with_timeout(1h)), const panic_error&);
  CHECK(none.with_timeout(-1s).err() == errc::deadline_exceeded);
}

TEST_CASE("context: cancel keeps the first cause, and hands it down") {
  const context root;
  auto a = root.with_cancel();
  auto b = a.with_cancel();
  const context v = b.with_value<number>(4);
  a.cancel(errc::closed);
  a.cancel(errc::end_of_stream);
  b.cancel();
  for (const context& c : {context(a), context(b), v}) {
    CHECK(c.err() == errc::canceled);
    CHECK(c.cause() == errc::closed);
  }
  auto late = v.with_cancel();  // of a cancelled one
  CHECK(late.err() == errc::canceled);
  CHECK(late.cause() == errc::closed);
  CHECK_FALSE(v.without_cancel().err());
  CHECK(v.without_cancel().value<number>()->n == 4);
}

TEST_CASE("context: a child that is cancelled leaves parent and siblings alone") {
  const context root;
  auto parent = root.with_cancel();
  auto one = parent.with_cancel();
  auto other = parent.with_cancel();
  one.cancel();
  CHECK(one.err() == errc::canceled);
  CHECK_FALSE(parent.err());
  CHECK_FALSE(other.err());
}

TEST_CASE(
    "context: values are found by type, the nearest one, and are inherited by go and by awaits") {
  everywhere([]() -> task<> {
    CHECK(number_here() == -1);
    const context outer = context::current().with_value<number>(1).with_value<name>("outer");
    const context inner = outer.with_value<number>(2);
    CHECK(outer.value<number>()->n == 1);
    CHECK(inner.value<number>()->n == 2);
    CHECK(inner.value<name>()->text == "outer");
    const auto look = []() -> task<int> {
      co_await yield();
      const auto deeper = []() -> task<int> {
        co_await yield();
        co_return number_here();
      };
      const int awaited = co_await deeper();
      const int started = co_await go(deeper);
      co_return awaited * 100 + started;
    };
    const result<int> in_outer = co_await with_context(outer, look());
    CHECK(in_outer == 101);
    const result<int> in_inner = co_await with_context(inner, look());
    CHECK(in_inner == 202);
    const int of_routine = co_await go_in(inner, look);
    CHECK(of_routine == 202);
    const int of_background = co_await go_in(context::background(), number_here);
    CHECK(of_background == -1);
    const result<int> shielded = co_await with_context(
        inner, [&]() -> task<int> { co_return co_await without_cancel(look()); });
    CHECK(shielded == 202);
    CHECK(number_here() == -1);
  });
}

TEST_CASE("context: current is that of the innermost boundary, in branches that of the fork") {
  everywhere([]() -> task<> {
    const context before = context::current();
    auto ctx = before.with_cancel();
    const auto check = [](context expected) -> task<> {
      CHECK(context::current() == expected);
      co_await yield();
      CHECK(context::current() == expected);
      static_cast<void>(co_await as_result(yield()));
      CHECK(context::current() == expected);
    };
    static_cast<void>(co_await with_context(ctx, check(ctx)));
    CHECK(context::current() == before);
    const result<void> forked = co_await with_context(ctx, [&]() -> task<> {
      co_await when_all(check(ctx), check(ctx), check(ctx));
      CHECK(context::current() == ctx);
      auto inner = context::current().with_cancel();
      static_cast<void>(co_await with_context(inner, check(inner)));
      CHECK(context::current() == ctx);
    });
    CHECK(forked.has_value());
    co_await go_in(ctx, check, context(ctx));
    CHECK(context::current() == before);
  });
}

TEST_CASE("context: a tree of three levels, with routines in each node, ends by one cancel") {
  counted::reset();
  everywhere([]() -> task<> {
    static constexpr int nodes = 50;
    exits e;
    std::vector<owned_context> tree;
    std::vector<join_handle<>> all;
    auto root = context::current().with_cancel();
    for (int i = 0; i < 3 * nodes; ++i) {
      const context& parent =
          i < nodes ? static_cast<const context&>(root) : tree[static_cast<std::size_t>(i - nodes)];
      tree.push_back(parent.with_cancel());
      all.push_back(go_in(tree.back(), wait_watched, &e));
      all.push_back(go_in(tree.back().with_value<number>(i), wait_watched, &e));
      if (i % 7 == 0) co_await yield();
    }
    auto apart = context::current().with_cancel();
    chan<int> c(0);
    auto untouched =
        go_in(apart, [](chan<int> in) -> task<> { static_cast<void>(co_await in.recv()); }, c);
    root.cancel(errc::closed);
    for (auto& h : all) {
      const bool stopped = co_await ends_stopped(std::move(h));
      CHECK(stopped);
    }
    for (const owned_context& o : tree)
      CHECK(o.cause() == errc::closed);
    CHECK(e.all == 6 * nodes);
    CHECK(e.unwound == e.all);
    static_cast<void>(co_await c.send(1));
    co_await std::move(untouched);
  });
  CHECK(counted::balanced());
}

TEST_CASE("context: one cancel ends the many that wait on two executors, each where it belongs") {
  const auto member = [](context c, chan<int> never, std::atomic<int>* waiting,
                         std::atomic<int>* lost, exits* e) -> task<> {
    struct at_home {
      explicit at_home(std::atomic<int>* l) noexcept : lost(l), ex(current_executor()) {}
      at_home(const at_home&) = delete;
      at_home& operator=(const at_home&) = delete;
      ~at_home() {
        if (current_executor() != ex) ++*lost;
      }
      std::atomic<int>* lost;
      const void* ex;
    } const home(lost);
    const leaves l(e);
    ++*waiting;
    static_cast<void>(co_await with_context(
        c, [](chan<int> in) -> task<> { static_cast<void>(co_await in.recv()); }(never)));
  };
  for (const int workers : {1, 2}) {
    static constexpr int each = 200;
    exits e;
    std::atomic<int> waiting{0};
    std::atomic<int> lost{0};
    executor other({.workers = 1});
    run({.workers = workers}, [&]() -> task<> {
      auto ctx = context::current().with_cancel();
      const chan<int> never(0);
      std::vector<join_handle<>> all;
      for (int i = 0; i < each; ++i) {
        all.push_back(go(member, context(ctx), never, &waiting, &lost, &e));
        all.push_back(other.go(member, context(ctx), never, &waiting, &lost, &e));
        all.push_back(go_in(ctx, wait_watched, &e));
      }
      while (waiting != 2 * each)
        co_await yield();
      for (auto& h : all)
        co_await until_waiting(h.id());
      ctx.cancel();
      for (auto& h : all)
        static_cast<void>(co_await ends_stopped(std::move(h)));
    });
    CHECK(e.all == 3 * each);
    CHECK(lost == 0);
  }
}

TEST_CASE("context: go_in starts in that context, and a cancelled one stops it at its first wait") {
  everywhere([]() -> task<> {
    auto ctx = context::current().with_cancel();
    std::atomic<int> steps{0};
    const auto two_steps = [](std::atomic<int>* n) -> task<> {
      ++*n;
      co_await yield();
      ++*n;
    };
    co_await go_in(ctx, two_steps, &steps);
    CHECK(steps == 2);
    ctx.cancel();
    const bool stopped = co_await ends_stopped(go_in(ctx, two_steps, &steps));
    CHECK(stopped);
    CHECK(steps == 3);
    // What go starts inside of it stops as well; what goes in the background does not.
    auto again = context::current().with_cancel();
    chan<int> gate(0);
    const auto start = [](std::atomic<int>* n, chan<int> c) -> task<> {
      auto inside = go(wait_for_ever);
      const auto outlive = [](std::atomic<int>* x, chan<int> in) -> task<> {
        static_cast<void>(co_await in.recv());
        *x = 100;
      };
      go_in(context::background(), outlive, n, c);
      co_await std::move(inside);
    };
    auto h = go_in(again, start, &steps, gate);
    co_await until_waiting(h.id());
    again.cancel();
    const bool too = co_await ends_stopped(std::move(h));
    CHECK(too);
    static_cast<void>(co_await gate.send(1));
    while (steps != 100)
      co_await yield();
  });
}

TEST_CASE("context: owned ones cancel when they go, not when they are moved") {
  const context root;
  context seen;
  {
    auto first = root.with_cancel();
    seen = first;
    auto second = std::move(first);
    CHECK(second == seen);
    CHECK(first == context::background());
    CHECK_FALSE(seen.err());
    first.cancel();  // the background: nothing
    CHECK_FALSE(seen.err());
    auto other = root.with_cancel();
    const context of_other = other;
    other = std::move(second);  // what it had is cancelled, what it gets is not
    CHECK(of_other.err() == errc::canceled);
    CHECK_FALSE(seen.err());
    CHECK(other == seen);
    auto& self = other;
    other = std::move(self);
    CHECK(other == seen);
    CHECK_FALSE(seen.err());
  }
  CHECK(seen.err() == errc::canceled);
}

TEST_CASE("context: done of one's own context is told, and the next wait stops") {
  everywhere([]() -> task<> {
    struct seen {
      bool told = false;
      bool went_on = false;
    };
    const auto wait = [](seen* s) -> task<> {
      co_await context::current().done();
      s->told = context::current().err() == errc::canceled;
      co_await context::current().done();  // again, at once
      co_await yield();
      s->went_on = true;
    };
    for (const bool early : {false, true}) {
      auto ctx = context::current().with_cancel();
      seen s;
      auto h = go_in(ctx, wait, &s);
      if (!early) co_await until_waiting(h.id());
      ctx.cancel();
      const bool stopped = co_await ends_stopped(std::move(h));
      CHECK(stopped);
      CHECK(s.told);
      CHECK_FALSE(s.went_on);
    }
  });
}

TEST_CASE("context: done of another's context lets the routine go on") {
  everywhere([]() -> task<> {
    auto parent = context::current().with_cancel();
    auto child = parent.with_cancel();
    const auto wait = [](context c) -> task<int> {
      co_await c.done();
      co_await yield();
      co_return 1;
    };
    std::vector<join_handle<int>> all;
    for (int i = 0; i < 8; ++i)
      all.push_back(go(wait, i % 2 == 0 ? context(parent) : context(child)));
    co_await until_waiting(all.back().id());
    parent.cancel();
    for (auto& h : all) {
      const int one = co_await std::move(h);
      CHECK(one == 1);
    }
    co_await child.done();
  });
}

TEST_CASE("context: done of what is never cancelled waits until the routine is stopped") {
  everywhere([]() -> task<> {
    auto own = context::current().with_cancel();
    const auto wait = [](context c, bool* went_on) -> task<> {
      co_await c.done();
      *went_on = true;
    };
    bool went_on = false;
    for (const context& c : {context::background(), own.without_cancel(), context(own)}) {
      auto h = go(wait, c, &went_on);
      co_await until_waiting(h.id());
      h.cancel();
      bool stopped = co_await ends_stopped(std::move(h));
      CHECK(stopped);
      auto early = go(wait, c, &went_on);
      early.cancel();
      stopped = co_await ends_stopped(std::move(early));
      CHECK(stopped);
    }
    CHECK_FALSE(went_on);
  });
}

TEST_CASE("context: deadlines: one's own, the parent's earlier one, one in the past") {
  in_bubbles([]() -> task<> {
    const time_point begun = sluice::clock::now();
    auto parent = context::current().with_timeout(10ms);
    auto later = parent.with_timeout(20ms, errc::closed);
    auto sooner = parent.with_timeout(5ms, errc::end_of_stream);
    auto equal = parent.with_deadline(begun + 10ms, errc::closed);
    CHECK(parent.deadline() == begun + 10ms);
    CHECK(later.deadline() == begun + 10ms);
    CHECK(sooner.deadline() == begun + 5ms);
    CHECK_FALSE(later.without_cancel().deadline().has_value());
    CHECK(later.with_value<number>(1).deadline() == begun + 10ms);
    co_await sooner.done();
    CHECK(sluice::clock::now() == begun + 5ms);
    CHECK(sooner.err() == errc::deadline_exceeded);
    CHECK(sooner.cause() == errc::end_of_stream);
    CHECK_FALSE(parent.err());
    co_await later.done();
    CHECK(sluice::clock::now() == begun + 10ms);
    CHECK(later.err() == errc::deadline_exceeded);
    CHECK(later.cause() == errc::deadline_exceeded);  // the parent's
    CHECK(equal.cause() == errc::deadline_exceeded);
    auto past = context::current().with_deadline(begun, errc::closed);
    CHECK(past.err() == errc::deadline_exceeded);
    CHECK(past.cause() == errc::closed);
    auto cut = context::current().with_timeout(1h);
    cut.cancel();
    CHECK(cut.err() == errc::canceled);
    auto never = context::current().with_deadline(time_point::max());
    CHECK_FALSE(never.deadline().has_value());
  });
}

TEST_CASE("context: a deadline ends the routines that were started in it") {
  counted::reset();
  in_bubbles([]() -> task<> {
    trace t;
    auto ctx = context::current().with_timeout(10ms);
    auto h = go_in(ctx, three_frames, &t);
    const bool stopped = co_await ends_stopped(std::move(h));
    CHECK(stopped);
    CHECK(t.unwound(3));
    CHECK(ctx.err() == errc::deadline_exceeded);
  });
  CHECK(counted::balanced());
}

TEST_CASE("context: many deadlines, some cancelled before, end in their order") {
  in_bubbles([]() -> task<> {
    std::vector<owned_context> all;
    const time_point begun = sluice::clock::now();
    for (int i = 0; i < 100; ++i)
      all.push_back(context::current().with_timeout(1ms * (1 + i * 37 % 100)));
    for (std::size_t i = 0; i < all.size(); i += 3)
      all[i].cancel();
    co_await sleep_until(begun + 50ms + 1ns);
    for (std::size_t i = 0; i < all.size(); ++i) {
      const bool due = 1 + static_cast<int>(i) * 37 % 100 <= 50;
      if (i % 3 == 0) {
        CHECK(all[i].err() == errc::canceled);
      } else {
        CHECK((all[i].err() == errc::deadline_exceeded) == due);
      }
    }
  });
}

TEST_CASE("context: one with a deadline outlives the executor that keeps the time") {
  std::optional<owned_context> kept;
  context copy;
  std::vector<owned_context> more;
  for (const int workers : {1, 2}) {
    run({.workers = workers}, [&]() -> task<> {
      kept.emplace(context::current().with_timeout(1h));
      copy = *kept;
      for (int i = 0; i < 100; ++i)
        more.push_back(kept->with_timeout(1min));
      co_await yield();
      CHECK_FALSE(copy.err());
    });
    CHECK(copy.err() == errc::canceled);
    CHECK(kept->cause() == errc::canceled);
    for (const owned_context& c : more)
      CHECK(c.err() == errc::canceled);
    kept->cancel();
    kept.reset();
    more.clear();
    CHECK(copy.err() == errc::canceled);
    copy = context();
  }
}

TEST_CASE("context: cancelled by threads while their executor ends") {
  for (int round = 0; round < 50; ++round) {
    std::vector<owned_context> all;
    std::atomic<bool> made{false};
    std::thread other([&] {
      while (!made)
        std::this_thread::yield();
      for (owned_context& c : all)
        c.cancel();
    });
    run({.workers = 2}, [&]() -> task<> {
      for (int i = 0; i < 50; ++i) {
        all.push_back(context::current().with_timeout(1h));
        go_in(all.back(), wait_for_ever);
      }
      co_await yield();
      made = true;
    });
    other.join();
    for (const owned_context& c : all)
      CHECK(c.err() == errc::canceled);
  }
}

TEST_SUITE_END();
