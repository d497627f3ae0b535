// SPDX-License-Identifier: MIT
// when_all and go_range: results, failures and stops, wherever the children run.
#include <sluice/chan.hpp>
#include <sluice/dump.hpp>
#include <sluice/time.hpp>
#include <sluice/when_all.hpp>

#include "support/everywhere.hpp"
#include "support/unwinding.hpp"

#include <atomic>
#include <exception>
#include <latch>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice_test;

namespace {

task<int> number(int n) {
  co_return n;
}
task<> nothing() {
  co_return;
}
task<int> later(int n) {
  co_await yield();
  co_return n;
}
task<int> from(recv_chan<int> c) {
  co_return (co_await c.recv()).value_or(-1);
}
task<int> to(send_chan<int> c, int n) {
  static_cast<void>(co_await c.send(n));
  co_return 0;
}
task<int> fail(const char* text) {
  throw std::runtime_error(text);
  co_return 0;
}
task<int> fail_later(const char* text) {
  co_await yield();
  throw std::runtime_error(text);
}

task<> wait_for_ever(exits* e) {
  const leaves l(e);
  chan<int> c(0);
  static_cast<void>(co_await c.recv());
}

task<int> fib(int n) {
  if (n < 2) co_return n;
  auto [a, b] = co_await when_all(fib(n - 1), fib(n - 2));
  co_return a + b;
}

/// As fib, but children wait now and then.
task<int> uneasy_fib(int n) {
  if (n % 3 == 0) co_await yield();
  if (n < 2) co_return n;
  auto [a, b] = co_await when_all(uneasy_fib(n - 1), uneasy_fib(n - 2));
  if (n % 4 == 0) co_await yield();
  co_return a + b;
}

std::string what_of(const std::exception_ptr& e) {
  try {
    std::rethrow_exception(e);
  } catch (const std::exception& x) {
    return x.what();
  }
}

}  // namespace

TEST_CASE("when_all: results come in the order of the tasks") {
  everywhere([]() -> task<> {
    auto [a, b, c] = co_await when_all(number(1), later(2), number(3));
    CHECK(a == 1);
    CHECK(b == 2);
    CHECK(c == 3);
  });
}

TEST_CASE("when_all: a task<void> has no place in the tuple, and without results it is void") {
  everywhere([]() -> task<> {
    auto [a, b] = co_await when_all(number(1), nothing(), later(2));
    CHECK(a == 1);
    CHECK(b == 2);
    co_await when_all(nothing(), nothing());
    auto [only] = co_await when_all(later(7));
    CHECK(only == 7);
  });
}

TEST_CASE("when_all: results may be references, and may be movable only") {
  everywhere([]() -> task<> {
    int x = 1;
    auto refer = [](int* p) -> task<int&> { co_return *p; };
    auto own = [](int n) -> task<std::unique_ptr<int>> {
      co_await yield();
      co_return std::make_unique<int>(n);
    };
    auto [r, p] = co_await when_all(refer(&x), own(2));
    CHECK(&r == &x);
    CHECK(*p == 2);
  });
}

TEST_CASE("when_all: the children run beside each other") {
  everywhere([]() -> task<> {
    chan<int> c(0);
    auto [got, sent] = co_await when_all(from(c), to(c, 5));
    CHECK(got == 5);
    auto [sent_first, got_then] = co_await when_all(to(c, 6), from(c));
    CHECK(got_then == 6);
    static_cast<void>(sent);
    static_cast<void>(sent_first);
  });
}

TEST_CASE("when_all: tasks may refer to the caller's locals and temporaries") {
  everywhere([]() -> task<> {
    std::string local = "local, and long enough not to be kept in place";
    auto size = [](const std::string& s) -> task<std::size_t> {
      co_await yield();
      co_return s.size();
    };
    auto [a, b] = co_await when_all(size(local), size(local + local));
    CHECK(b == 2 * a);
  });
}

TEST_CASE("when_all: a tree of calls") {
  everywhere([]() -> task<> { CHECK(co_await fib(12) == 144); });
}

TEST_CASE("when_all: a tree whose children wait") {
  everywhere([]() -> task<> { CHECK(co_await uneasy_fib(11) == 89); });
}

TEST_CASE("when_all: until it waits a child is a part of its parent's routine") {
  in_bubbles([]() -> task<> {
    auto id = []() -> task<std::uint64_t> { co_return this_routine::id(); };
    auto id_later = []() -> task<std::uint64_t> {
      co_await yield();
      co_return this_routine::id();
    };
    const std::uint64_t own = this_routine::id();
    auto [first] = co_await when_all(id());
    static_cast<void>(first);  // it may have been offered to another worker, and taken
    auto [a, b] = co_await when_all(id_later(), id_later());
    CHECK(a != own);
    CHECK(b != own);
    CHECK(a != b);
    CHECK(this_routine::id() == own);
  });
}

TEST_CASE("when_all: over a range, results come by index") {
  everywhere([]() -> task<> {
    for (const std::size_t n : {0u, 1u, 2u, 3u, 10u, 100u}) {
      const std::vector<std::size_t> squares =
          co_await when_all(n, [](std::size_t i) -> task<std::size_t> {
            if (i % 3 == 0) co_await yield();
            co_return i* i;
          });
      CHECK(squares.size() == n);
      for (std::size_t i = 0; i < squares.size(); ++i)
        CHECK(squares[i] == i * i);
    }
  });
}

TEST_CASE("when_all: over a range of void, of bool, and of what is movable only") {
  everywhere([]() -> task<> {
    std::vector<int> seen(20);
    co_await when_all(seen.size(), [&seen](std::size_t i) -> task<> {
      ++seen[i];
      co_return;
    });
    CHECK(std::accumulate(seen.begin(), seen.end(), 0) == 20);
    const std::vector<bool> odd =
        co_await when_all(9, [](std::size_t i) -> task<bool> { co_return i % 2 == 1; });
    CHECK(odd == std::vector<bool>{false, true, false, true, false, true, false, true, false});
    auto owned = co_await when_all(3, [](std::size_t i) -> task<std::unique_ptr<std::size_t>> {
      co_await yield();
      co_return std::make_unique<std::size_t>(i);
    });
    CHECK(*owned[2] == 2);
  });
}

TEST_CASE("when_all: of a range, as many frames are made as there are children that wait") {
  in_bubbles([]() -> task<> {
    counted::reset();
    int most = 0;
    co_await when_all(1000, [&most](std::size_t) -> task<> {
      counted here;
      most = std::max(most, counted::live());
      co_return;
    });
    CHECK(most <= 8);
    CHECK(counted::balanced());
  });
}

TEST_CASE("when_all: the first exception stops the others, and comes when all have ended") {
  everywhere([]() -> task<> {
    exits log;
    std::exception_ptr caught;
    try {
      static_cast<void>(co_await when_all(wait_for_ever(&log), fail_later("first"), nothing()));
    } catch (...) {
      caught = std::current_exception();
    }
    REQUIRE(caught);
    CHECK(what_of(caught) == "first");
    CHECK(log.unwound == 1);
    // The routine itself was not asked to stop.
    co_await yield();
  });
}

TEST_CASE("when_all: children that have not begun when one fails never do") {
  // With one worker nothing is offered to others: the second one has not begun for sure.
  run({.workers = 1}, []() -> task<> {
    bool begun = false;
    std::exception_ptr caught;
    auto begin = [&begun]() -> task<> {
      begun = true;
      co_return;
    };
    try {
      static_cast<void>(co_await when_all(fail("at once"), begin()));
    } catch (...) {
      caught = std::current_exception();
    }
    REQUIRE(caught);
    CHECK(what_of(caught) == "at once");
    CHECK_FALSE(begun);
  });
}

TEST_CASE("when_all: of a range, the first exception stops the rest") {
  everywhere([]() -> task<> {
    counted::reset();
    int caught = 0;
    for (const std::size_t failing : {0u, 7u, 49u}) {
      try {
        co_await when_all(50, [failing](std::size_t i) -> task<> {
          counted here;
          if (i % 4 == 1) co_await yield();
          if (i == failing) throw std::runtime_error("one of them");
          if (i % 4 == 2) {
            chan<int> never(0);
            static_cast<void>(co_await never.recv());
          }
        });
      } catch (const std::runtime_error&) {
        ++caught;
      }
    }
    CHECK(caught == 3);
    CHECK(counted::balanced());
  });
}

TEST_CASE("when_all: making the task of an index may throw") {
  everywhere([]() -> task<> {
    std::exception_ptr caught;
    try {
      co_await when_all(5, [](std::size_t i) -> task<> {
        if (i == 3) throw std::runtime_error("no task");
        return nothing();
      });
    } catch (...) {
      caught = std::current_exception();
    }
    REQUIRE(caught);
    CHECK(what_of(caught) == "no task");
  });
}

TEST_CASE("when_all: a stop of the routine stops the children, innermost first") {
  everywhere([]() -> task<> {
    exits log;
    auto parent = [](exits* l) -> task<> {
      const leaves w(l);
      co_await when_all(wait_for_ever(l), wait_for_ever(l));
    };
    join_handle<> h = go(parent, &log);
    co_await until_waiting(h.id());
    co_await yield();
    h.cancel();
    CHECK(co_await ends_stopped(std::move(h)));
    CHECK(log.unwound == 3);
  });
}

TEST_CASE("when_all: is not begun by a routine that was asked to stop") {
  everywhere([]() -> task<> {
    bool begun = false;
    auto body = [](bool* b) -> task<> {
      auto child = [b]() -> task<> {
        *b = true;
        co_return;
      };
      co_await when_all(child());
    };
    join_handle<> h = go(body, &begun);
    h.cancel();
    const bool stopped = co_await ends_stopped(std::move(h));
    CHECK(stopped != begun);
  });
}

TEST_CASE("when_all: results that are there in spite of a stop are delivered") {
  in_bubbles([]() -> task<> {
    int sum = 0;
    chan<int> go_on(0);
    auto body = [](int* s, recv_chan<int> c) -> task<> {
      // Each child's wait is over when the stop comes.
      auto [a, b] = co_await when_all(from(c), from(c));
      *s = a + b;
      co_await yield();
      *s = -1;
    };
    join_handle<> h = go(body, &sum, go_on);
    co_await testing::settle();
    static_cast<void>(co_await go_on.send(1));
    static_cast<void>(co_await go_on.send(2));
    // The children have their values; they end unless they are stopped before.
    h.cancel();
    CHECK(co_await ends_stopped(std::move(h)));
    CHECK(sum == 3);
  });
}

TEST_CASE("when_all: within a child, is stopped when the child's sibling fails") {
  everywhere([]() -> task<> {
    exits log;
    auto inner = [](exits* l) -> task<> { co_await when_all(wait_for_ever(l), wait_for_ever(l)); };
    auto fail_late = []() -> task<> {
      for (int i = 0; i < 5; ++i)
        co_await yield();
      throw std::runtime_error("late");
    };
    std::exception_ptr caught;
    try {
      co_await when_all(inner(&log), inner(&log), fail_late());
    } catch (...) {
      caught = std::current_exception();
    }
    REQUIRE(caught);
    CHECK(what_of(caught) == "late");
    CHECK(log.all <= 4);  // those of them that had begun
    co_await yield();     // still not asked to stop
  });
}

TEST_CASE("when_all: a routine that was asked to stop stays so after a child failed") {
  in_bubbles([]() -> task<> {
    bool caught = false;
    bool went_on = false;
    exits log;
    chan<int> go_on(0);
    auto fail_after = [](recv_chan<int> c) -> task<> {
      static_cast<void>(co_await c.recv());
      throw std::runtime_error("after the stop");
    };
    auto body = [fail_after](bool* c, bool* w, exits* l, recv_chan<int> from_main) -> task<> {
      try {
        co_await when_all(fail_after(from_main), wait_for_ever(l));
      } catch (const std::runtime_error&) {
        *c = true;
      }
      co_await yield();
      *w = true;
    };
    join_handle<> h = go(body, &caught, &went_on, &log, go_on);
    co_await testing::settle();
    static_cast<void>(co_await go_on.send(1));  // that wait is over: it will throw
    h.cancel();
    CHECK(co_await ends_stopped(std::move(h)));
    CHECK(caught);
    CHECK_FALSE(went_on);
    CHECK(log.unwound == 1);
  });
}

TEST_CASE("when_all: a child that joins a stopped routine fails with stopped_error") {
  everywhere([]() -> task<> {
    exits log;
    bool caught = false;
    auto join = [](join_handle<> h) -> task<> { co_await std::move(h); };
    join_handle<> other = go(wait_for_ever, &log);
    other.cancel();
    try {
      co_await when_all(join(std::move(other)), nothing());
    } catch (const stopped_error&) {
      caught = true;
    }
    CHECK(caught);
  });
}

TEST_CASE("when_all: each frame is destroyed once, whatever happens") {
  in_bubbles(
      []() -> task<> {
        counted::reset();
        auto child = [](int i) -> task<counted> {
          counted here(i);
          if (i % 2 == 0) co_await yield();
          if (i == 3) throw std::runtime_error("three");
          co_return counted(i);
        };
        {
          auto [a, b] = co_await when_all(child(1), child(2));
          CHECK(a.value() == 1);
          CHECK(b.value() == 2);
        }
        try {
          static_cast<void>(co_await when_all(child(1), child(3), child(2)));
        } catch (const std::runtime_error&) {
        }
        CHECK(counted::balanced());
      },
      64);
}

TEST_CASE("when_all: nested deep, and stopped, in constant stack") {
  struct nest {
    static task<> down(int depth, exits* log, stack_range* stack) {
      stack->note();
      if (depth == 0) {
        co_await wait_for_ever(log);
      } else {
        co_await when_all(down(depth - 1, log, stack), nothing());
      }
    }
  };
  in_bubbles(
      []() -> task<> {
        exits log;
        stack_range stack;
        join_handle<> h = go(nest::down, 20'000, &log, &stack);
        co_await testing::settle();
        h.cancel();
        CHECK(co_await ends_stopped(std::move(h)));
        CHECK(log.unwound == 1);
        CHECK(stack.bytes() < 16'384);
      },
      2);
}

TEST_CASE("when_all: dumps show who waits for children, and what they wait for") {
  in_bubbles(
      []() -> task<> {
        exits log;
        auto parent = [](exits* l) -> task<> {
          co_await when_all(wait_for_ever(l), wait_for_ever(l));
        };
        join_handle<> h = go(parent, &log);
        co_await testing::settle();
        int waiting_for_children = 0;
        int waiting_for_values = 0;
        for (const routine_info& r : routines()) {
          if (r.reason == wait_reason::when_all) {
            ++waiting_for_children;
            CHECK(r.id == h.id());
          }
          if (r.reason == wait_reason::chan_recv) {
            ++waiting_for_values;
            CHECK(r.chain.size() == 1);
          }
        }
        CHECK(waiting_for_children == 1);
        CHECK(waiting_for_values == 2);
        h.cancel();
        CHECK(co_await ends_stopped(std::move(h)));
      },
      4);
}

TEST_CASE("when_all: a yielding child in a chain of forks shows the forks in a dump") {
  struct nest {
    static task<int> down(int depth, chan<int> c) {
      if (depth == 0) co_return (co_await c.recv()).value_or(-1);
      auto [n] = co_await when_all(down(depth - 1, c));
      co_return n + 1;
    }
  };
  in_bubbles(
      []() -> task<> {
        chan<int> c(0);
        join_handle<int> h = go(nest::down, 3, c);
        co_await testing::settle();
        std::size_t sites = 0;
        for (const routine_info& r : routines()) {
          if (r.id == h.id()) sites = r.chain.size();
        }
        CHECK(sites == 3);
        static_cast<void>(co_await c.send(10));
        CHECK(co_await std::move(h) == 13);
      },
      4);
}

TEST_CASE("go_range: runs an index each, and joins all") {
  everywhere([]() -> task<> {
    const std::vector<std::size_t> all =
        co_await go_range(100, [](std::size_t i) -> task<std::size_t> {
          if (i % 10 == 0) co_await yield();
          co_return i;
        });
    CHECK(std::accumulate(all.begin(), all.end(), std::size_t{0}) == 4950);
  });
}

TEST_CASE("go_range: is cancelled as a whole") {
  everywhere([]() -> task<> {
    chan<int> started(unbounded);
    auto h = go_range(10, [started](std::size_t) -> task<> {
      static_cast<void>(co_await started.send(1));
      chan<int> never(0);
      static_cast<void>(co_await never.recv());
    });
    for (int i = 0; i < 10; ++i)
      static_cast<void>(co_await started.recv());
    h.cancel();
    CHECK(co_await ends_stopped(std::move(h)));
  });
}

TEST_CASE("go_range: goes on when its handle is dropped") {
  everywhere([]() -> task<> {
    chan<std::size_t> done(unbounded);
    {
      auto dropped = go_range(10, [done](std::size_t i) -> task<> {
        co_await yield();
        static_cast<void>(co_await done.send(i));
      });
    }
    std::size_t sum = 0;
    for (int i = 0; i < 10; ++i)
      sum += *co_await done.recv();
    CHECK(sum == 45);
  });
}

TEST_CASE("when_all: an executor that shuts down stops the children, wherever they wait") {
  counted::reset();
  for (const int workers : {1, 2, 4}) {
    executor ex({.workers = workers});
    std::latch begun(100);
    auto h = ex.go(
        [](std::latch* b) -> task<> {
          co_await when_all(100, [b](std::size_t i) -> task<> {
            counted here;
            b->count_down();
            if (i % 2 == 0) co_await sleep_until(time_point::max());
            chan<int> never(0);
            static_cast<void>(co_await never.recv());
          });
        },
        &begun);
    begun.wait();
    static_cast<void>(h);
  }
  CHECK(counted::balanced());
}
