// SPDX-License-Identifier: MIT
// Exceptions that leave a routine and that nobody joins.
#include <sluice/chan.hpp>
#include <sluice/context.hpp>
#include <sluice/error.hpp>
#include <sluice/go.hpp>
#include <sluice/result.hpp>
#include <sluice/routine.hpp>
#include <sluice/runtime.hpp>
#include <sluice/testing/bubble.hpp>

#include "io/child.hpp"
#include "support/counted.hpp"
#include "support/everywhere.hpp"
#include "support/unwinding.hpp"

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <source_location>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice_test;

namespace {

struct seen_panic {
  std::uint64_t id;
  std::string name;
  unsigned line;
  std::string what;
};

std::mutex mu;
std::vector<seen_panic> panics;  // guarded by mu

void keep_panic(const panic_info& p) {
  std::string what;
  try {
    std::rethrow_exception(p.exception);
  } catch (const std::exception& e) {
    what = e.what();
  } catch (...) {
    what = "?";
  }
  const std::lock_guard lock(mu);
  panics.push_back({p.id, std::string(p.name), p.spawned.line(), what});
}

std::vector<seen_panic> taken() {
  const std::lock_guard lock(mu);
  return std::exchange(panics, {});
}

bool any_panic() {
  const std::lock_guard lock(mu);
  return !panics.empty();
}

task<int> fail(std::string what) {
  this_routine::set_name("failing");
  counted c(1);
  co_await yield();
  throw std::runtime_error(what);
}

}  // namespace

TEST_SUITE("runtime/panic") {
  TEST_CASE(
      "panic: an exception of a routine without a handle reaches on_panic; the executor goes on") {
    counted::reset();
    for (const int workers : {1, 3}) {
      CAPTURE(workers);
      taken();
      executor ex({.workers = workers, .on_panic = keep_panic});
      const unsigned line = std::source_location::current().line() + 1;
      const std::uint64_t id = ex.go(fail, std::string("lost")).id();
      auto after = ex.go([]() -> task<int> {
        while (!any_panic())  // a shutdown that came first would stop the failing one
          co_await yield();
        co_return 3;
      });
      CHECK(std::move(after).get() == 3);
      CHECK(ex.shutdown(std::chrono::minutes(1)).empty());
      const auto all = taken();
      REQUIRE(all.size() == 1);
      CHECK(all[0].id == id);
      CHECK(all[0].name == "failing");
      CHECK(all[0].line == line);
      CHECK(all[0].what == "lost");
    }
    CHECK(counted::balanced());
  }

  TEST_CASE("panic: so does one whose handle is dropped after the routine has ended") {
    taken();
    run({.workers = 2, .on_panic = keep_panic}, []() -> task<> {
      auto h = go(fail, std::string("late"));
      co_await until_waiting(h.id());
      {
        const std::lock_guard lock(mu);
        CHECK(panics.empty());
      }
      h = join_handle<int>();
    });
    const auto all = taken();
    REQUIRE(all.size() == 1);
    CHECK(all[0].what == "late");
  }

  TEST_CASE("panic: a joiner that is stopped drops its handle") {
    taken();
    run({.workers = 2, .on_panic = keep_panic}, []() -> task<> {
      chan<int> gate(0);
      auto target = go(
          [](chan<int> in) -> task<> {
            static_cast<void>(co_await in.recv());
            throw 5;
          },
          gate);
      const std::uint64_t id = target.id();
      auto joiner = go([](join_handle<> h) -> task<> { co_await std::move(h); }, std::move(target));
      co_await until_waiting(joiner.id());
      co_await until_waiting(id);
      joiner.cancel();
      const bool stopped = co_await ends_stopped(std::move(joiner));
      CHECK(stopped);
      gate.close();
    });
    const auto all = taken();
    REQUIRE(all.size() == 1);
    CHECK(all[0].what == "?");
  }

  TEST_CASE("panic: a joined exception, a stop and a joined stop are none") {
    taken();
    run({.workers = 2, .on_panic = keep_panic}, []() -> task<> {
      auto h = go(fail, std::string("joined"));
      bool caught = false;
      try {
        static_cast<void>(co_await std::move(h));
      } catch (const std::runtime_error&) {
        caught = true;
      }
      CHECK(caught);
      auto stopped = go([]() -> task<> { static_cast<void>(co_await chan<int>().recv()); });
      stopped.cancel();
      stopped = join_handle<>();
      // At the end of run both of these are stopped, in any order.
      go([]() -> task<> {
        auto inner = go([]() -> task<> { static_cast<void>(co_await chan<int>().recv()); });
        co_await std::move(inner);
      });
      co_await yield();
    });
    CHECK(taken().empty());
  }

  TEST_CASE("panic: by default it prints routine, name, spawn site, type and what, and aborts") {
    const child_end end = in_child([] {
      return run({.workers = 2}, []() -> task<> {
        go(fail, std::string("nobody listens"));
        static_cast<void>(co_await chan<int>().recv());
      });
    });
    CHECK(end.aborted());
    CHECK(end.said("sluice: panic: routine "));
    CHECK(end.said(" \"failing\", started at "));
    CHECK(end.said("panic_test.cpp:"));
    CHECK(
        end.said("ended by an exception that nobody joins: std::runtime_error: nobody listens\n"));
    CHECK(end.said("sluice: fatal: routine: exception escaped\n"));
    CHECK(end.said("chan nil"));  // the dump of the others
  }

  TEST_CASE("panic: what is no std::exception is named so") {
    const child_end end = in_child([] {
      return run({.workers = 1}, []() -> task<> {
        go([] { throw 7; });
        co_await yield();
        co_await yield();
      });
    });
    CHECK(end.aborted());
    CHECK(end.said("nobody joins: int (not a std::exception)\n"));
  }

  TEST_CASE("panic: a destructor that throws while a routine is unwound is fatal") {
    const child_end end = in_child([] {
      return run({.workers = 1}, []() -> task<> {
        struct bad {
          bad() = default;
          bad(const bad&) = delete;
          bad& operator=(const bad&) = delete;
          ~bad() noexcept(false) { throw std::runtime_error("from a destructor"); }
        };
        auto h = go([]() -> task<> {
          bad b;
          static_cast<void>(co_await chan<int>().recv());
        });
        co_await until_waiting(h.id());
        h.cancel();
        co_await std::move(h);
      });
    });
    CHECK(end.aborted());
    CHECK(end.said("sluice: fatal: unwind: destructor threw in a stopped routine"));
  }

  TEST_CASE("panic: what needs a routine, or a bubble, says so") {
    CHECK_THROWS_WITH_AS(
        static_cast<void>(context::background().with_timeout(std::chrono::hours(1))),
        "context: with_deadline outside of a routine: no worker keeps the time", panic_error);
    run([]() -> task<> {
      std::string text;
      try {
        co_await testing::settle();
      } catch (const panic_error& e) {
        text = e.what();
      }
      CHECK(text == "settle: called outside a bubble");
    });
  }

  TEST_CASE("panic: the id of a handle that refers to nothing is fatal") {
    const child_end end = in_child([] { return static_cast<int>(join_handle<>().id()); });
    CHECK(end.aborted());
    CHECK(end.text.starts_with(
        "sluice: fatal: join_handle: id of a handle that was moved from or joined\n"));
  }

  TEST_CASE("panic: what is fatal in a routine prints the dump of all, and aborts") {
    const child_end end = in_child([] {
      return run({.workers = 1}, []() -> task<> {
        static_cast<void>(join_handle<>().id());
        co_return;
      });
    });
    CHECK(end.aborted());
    CHECK(end.said("id of a handle that was moved from or joined\nroutine "));
    CHECK(end.said(" \"main\" [running]\n"));
  }

#if !defined(NDEBUG)
  TEST_CASE("panic: the wrong side of a result is fatal in debug builds") {
    const child_end value = in_child([] {
      const result<int> r = error(std::make_error_code(std::errc::io_error));
      return *r;
    });
    CHECK(value.aborted());
    CHECK(value.said("sluice: fatal: result: value read of an error\n"));
    const child_end failure = in_child([] {
      const result<int> r = 5;
      return r.error().code().value();
    });
    CHECK(failure.aborted());
    CHECK(failure.said("sluice: fatal: result: error read of a value\n"));
  }
#endif

  TEST_CASE("panic: a panic_error can be caught and the routine goes on") {
    everywhere([]() -> task<> {
      chan<int> c(1);
      c.close();
      bool caught = false;
      try {
        c.close();
      } catch (const panic_error&) {
        caught = true;
      }
      co_await yield();
      CHECK(caught);
    });
  }
}
