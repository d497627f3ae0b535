// SPDX-License-Identifier: MIT
// Boundaries around forks and inside of their children: deadlines, cancels and failures from each side.
#include <sluice/boundary.hpp>
#include <sluice/chan.hpp>
#include <sluice/context.hpp>
#include <sluice/routine.hpp>
#include <sluice/time.hpp>
#include <sluice/when_all.hpp>

#include "support/boundaries.hpp"
#include "support/everywhere.hpp"

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice_test;
using namespace std::chrono_literals;

namespace {

task<int> later(int n) {
  for (int i = 0; i < n % 4; ++i)
    co_await yield();
  co_return n;
}
task<int> watched(exits* e) {
  co_await wait_watched(e);
  co_return 0;
}
task<int> forked(exits* e) {
  auto [a, b, c] = co_await when_all(watched(e), later(1), watched(e));
  co_return a + b + c;
}
task<int> forked_twice(exits* e) {
  const leaves l(e);
  auto [a, b, c] = co_await when_all(forked(e), later(2), forked(e));
  co_return a + b + c;
}
task<int> sum_of(int n) {
  auto [a, b, c] = co_await when_all(later(n), later(n + 1), later(n + 2));
  co_return a + b + c;
}
task<int> fail_later() {
  co_await yield();
  throw std::runtime_error("torn");
}
task<int> timed(duration d, exits* e) {
  const result<int> r = co_await with_timeout(d, watched(e));
  co_await yield();
  co_return r ? 0 : (r.error() == make_error_code(errc::deadline_exceeded) ? 1 : 2);
}
struct tag {
  int n = 0;
};

task<int> value_here(int expected) {
  const auto found = [](int n) {
    const tag* t = context::current().value<tag>();
    return t != nullptr && t->n == n;
  };
  bool all = found(expected);
  co_await yield();
  all = all && found(expected);
  const auto deeper = [found](int n) -> task<bool> {
    co_await yield();
    co_return found(n);
  };
  const result<bool> inner =
      co_await with_context(context::current().with_value<tag>(expected + 1), deeper(expected + 1));
  all = all && inner == true && found(expected);
  co_return all ? 1 : 0;
}

task<> cleanup_of_forks(std::atomic<int>* ended) {
  const auto child = [](std::atomic<int>* n) -> task<> {
    for (int i = 0; i < 20; ++i)
      co_await yield();
    ++*n;
  };
  co_await when_all(child(ended), child(ended), child(ended));
}

}  // namespace

TEST_SUITE_BEGIN("sched/boundary fork");

TEST_CASE("boundary: when_all inside of with_timeout delivers") {
  everywhere([]() -> task<> {
    const result<int> r = co_await with_timeout(1h, sum_of(5));
    CHECK(r == 18);
    const result<std::vector<int>> many = co_await with_timeout(
        1h, when_all(100, [](std::size_t i) { return later(static_cast<int>(i)); }));
    REQUIRE(many.has_value());
    CHECK(many->size() == 100);
    CHECK(many->back() == 99);
  });
}

TEST_CASE("boundary: a deadline stops all children of the forks inside, and the caller goes on") {
  in_bubbles(
      []() -> task<> {
        exits e;
        const time_point begun = sluice::clock::now();
        const result<int> r = co_await with_timeout(10ms, forked_twice(&e));
        REQUIRE_FALSE(r.has_value());
        CHECK(r.error() == make_error_code(errc::deadline_exceeded));
        CHECK(e.all == 5);
        CHECK(e.unwound == 5);
        co_await sleep_for(1ms);
        CHECK(sluice::clock::now() - begun == 11ms);
        const result<int> again = co_await with_timeout(10ms, sum_of(1));
        CHECK(again == 6);
      },
      64);
}

TEST_CASE("boundary: a context cancelled from outside stops all children of the forks inside") {
  everywhere([]() -> task<> {
    exits e;
    const auto enter = [](context in, exits* to) -> task<bool> {
      const result<int> r = co_await with_context(in, forked_twice(to));
      co_await yield();
      co_return !r && r.error() == make_error_code(errc::canceled);
    };
    for (const int turns : {0, 1, 3, 10}) {
      e.all = e.unwound = 0;
      auto ctx = context::current().with_cancel();
      auto h = go(enter, context(ctx), &e);
      for (int i = 0; i < turns; ++i)
        co_await yield();
      ctx.cancel();
      const bool seen = co_await std::move(h);
      CHECK(seen);
      CHECK(e.all == e.unwound);
      CHECK(e.all >= 1);
    }
  });
}

TEST_CASE("boundary: cancel by the handle through forks and boundaries in turn") {
  everywhere([]() -> task<> {
    const auto work = [](exits* to) -> task<> {
      const leaves l(to);
      const result<int> r = co_await with_timeout(1h, [to]() -> task<int> {
        auto [a, b] = co_await when_all(timed(1h, to), forked_twice(to));
        co_return a + b;
      });
      static_cast<void>(r);
      co_await yield();
    };
    for (const bool early : {false, true}) {
      exits e;
      auto h = go(work, &e);
      if (!early) co_await until_waiting(h.id());
      h.cancel();
      const bool stopped = co_await ends_stopped(std::move(h));
      CHECK(stopped);
      CHECK(e.all == e.unwound);
      CHECK(e.all >= 1);
    }
  });
}

TEST_CASE("boundary: with_timeout in the children of a fork ends each by itself") {
  in_bubbles(
      []() -> task<> {
        exits e;
        const time_point begun = sluice::clock::now();
        auto [a, b, c, d] =
            co_await when_all(timed(10ms, &e), later(3), timed(20ms, &e), timed(0ms, &e));
        CHECK(a == 1);
        CHECK(b == 3);
        CHECK(c == 1);
        CHECK(d == 1);
        CHECK(e.all == 3);
        CHECK(e.unwound == 3);
        CHECK(sluice::clock::now() - begun == 20ms);
        const auto each = [&e](std::size_t i) { return timed(1ms * static_cast<int>(i), &e); };
        const std::vector<int> all = co_await when_all(50, each);
        for (const int one : all)
          CHECK(one == 1);
        CHECK(e.all == 53);
      },
      64);
}

TEST_CASE("boundary: a deadline further out wins over those in the children") {
  in_bubbles([]() -> task<> {
    exits e;
    const auto both = [](exits* to) -> task<int> {
      auto [a, b] = co_await when_all(timed(1h, to), timed(5ms, to));
      co_return a + b;
    };
    const result<int> r = co_await with_timeout(10ms, both(&e));
    REQUIRE_FALSE(r.has_value());
    CHECK(r.error() == make_error_code(errc::deadline_exceeded));
    CHECK(e.all == 2);
    const result<int> inner_first = co_await with_timeout(2h, both(&e));
    CHECK(inner_first == 2);
    CHECK(e.all == 4);
  });
}

TEST_CASE("boundary: a child that fails stops siblings inside of their boundaries") {
  everywhere([]() -> task<> {
    exits e;
    std::string text;
    try {
      auto [a, b, c] = co_await when_all(timed(1h, &e), fail_later(), timed(1h, &e));
      CHECK(a + b + c == -1);
    } catch (const std::runtime_error& x) {
      text = x.what();
    }
    CHECK(text == "torn");
    CHECK(e.all == e.unwound);
    co_await yield();

    // The failure leaves a boundary around the fork as it is.
    const auto torn = [](exits* to) -> task<int> {
      auto [a, b] = co_await when_all(watched(to), fail_later());
      co_return a + b;
    };
    text.clear();
    try {
      static_cast<void>(co_await with_timeout(1h, torn(&e)));
    } catch (const std::runtime_error& x) {
      text = x.what();
    }
    CHECK(text == "torn");
    co_await yield();
  });
}

TEST_CASE("boundary: a shielded child is not stopped by a sibling that fails") {
  everywhere([]() -> task<> {
    std::atomic<int> ended{0}, behind{0};
    const auto shielded = [](std::atomic<int>* in, std::atomic<int>* after) -> task<int> {
      co_await without_cancel([in]() -> task<> {
        for (int i = 0; i < 10; ++i)
          co_await yield();
        ++*in;
      });
      co_await wait_for_ever();
      ++*after;
      co_return 0;
    };
    bool thrown = false;
    try {
      auto [a, b] = co_await when_all(shielded(&ended, &behind), fail_later());
      CHECK(a + b == -1);
    } catch (const std::runtime_error&) {
      thrown = true;
    }
    CHECK(thrown);
    CHECK(ended == 1);
    CHECK(behind == 0);
  });
}

TEST_CASE("boundary: forks inside of a shield end undisturbed, whatever is cancelled") {
  for (const bool by_context : {false, true}) {
    CAPTURE(by_context);
    everywhere([by_context]() -> task<> {
      for (const int turns : {0, 1, 4, 12}) {
        std::atomic<int> ended{0};
        const auto work = [](std::atomic<int>* n) -> task<> {
          co_await finally(wait_for_ever(), cleanup_of_forks(n));
        };
        const auto shielded = [](std::atomic<int>* n) -> task<> {
          co_await without_cancel(cleanup_of_forks(n));
        };
        auto ctx = context::current().with_cancel();
        auto a = go_in(ctx, work, &ended);
        auto b = go_in(ctx, shielded, &ended);
        for (int i = 0; i < turns; ++i)
          co_await yield();
        if (by_context) {
          ctx.cancel();
        } else {
          a.cancel();
          b.cancel();
        }
        const bool first = co_await ends_stopped(std::move(a));
        CHECK(first);
        co_await std::move(b);  // no wait stands behind: it is not stopped
        CHECK(ended == 6);
      }
    });
  }
}

TEST_CASE("boundary: forks inside of a shield end undisturbed at shutdown") {
  for (const int workers : {1, 2, 4}) {
    CAPTURE(workers);
    std::atomic<int> ended{0};
    {
      executor ex({.workers = workers});
      for (int i = 0; i < 20; ++i) {
        ex.go(
            [](std::atomic<int>* n) -> task<> {
              co_await finally(wait_for_ever(), cleanup_of_forks(n));
            },
            &ended);
        ex.go([](std::atomic<int>* n) -> task<> { co_await without_cancel(cleanup_of_forks(n)); },
              &ended);
      }
      CHECK(ex.shutdown(std::chrono::minutes(1)).empty());
    }
    CHECK(ended == 120);
  }
}

TEST_CASE("boundary: values of a context are seen in children and in what they become") {
  everywhere([]() -> task<> {
    const context with = context::current().with_value<tag>(7);
    const auto all = []() -> task<int> {
      auto [a, b, c] = co_await when_all(value_here(7), value_here(7), value_here(7));
      const auto each = [](std::size_t) { return value_here(7); };
      const std::vector<int> more = co_await when_all(20, each);
      int sum = a + b + c;
      for (const int n : more)
        sum += n;
      co_return sum;
    };
    const result<int> r = co_await with_context(with, all());
    CHECK(r == 23);
    CHECK(context::current().value<tag>() == nullptr);
  });
}

TEST_SUITE_END();
