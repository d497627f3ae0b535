// SPDX-License-Identifier: MIT
// The tests of Go's golang.org/x/sync/errgroup, as far as they say what a group does.
#include <sluice/chan.hpp>
#include <sluice/errgroup.hpp>
#include <sluice/time.hpp>

#include "support/everywhere.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice_test;
using namespace std::chrono_literals;

namespace {

constexpr std::errc none{};
constexpr std::errc one = std::errc::io_error;
constexpr std::errc two = std::errc::no_space_on_device;

/// Ends after the others that were started before it, with that error.
task<result<void>> end_with(std::errc e, int turn) {
  co_await sleep_for(turn * 1s);
  if (e != none) co_return error(std::make_error_code(e), "task");
  co_return {};
}

/// What a group of them ends with.
task<std::errc> end_of_group(std::vector<std::errc> all, context* seen) {
  auto body = [&](errgroup& g) -> task<> {
    if (seen != nullptr) *seen = g.context();
    int turn = 0;
    for (const std::errc e : all)
      g.go(end_with, e, ++turn);
    co_return;
  };
  const result<void> r = co_await errgroup::run(body);
  co_return r ? none : static_cast<std::errc>(r.error().code().value());
}

struct row {
  std::vector<std::errc> all;
  std::errc want;
};
std::vector<row> rows() {
  return {{{}, none},         {{none}, none},          {{one}, one},
          {{one, none}, one}, {{one, none, two}, one}, {{none, two}, two}};
}

}  // namespace

TEST_CASE("errgroup: TestZeroGroup") {
  in_bubbles([]() -> task<> {
    for (const row& r : rows()) {
      const std::errc got = co_await end_of_group(r.all, nullptr);
      CHECK(got == r.want);
    }
  });
}

TEST_CASE("errgroup: TestWithContext") {
  in_bubbles([]() -> task<> {
    for (const row& r : rows()) {
      context seen;
      const std::errc got = co_await end_of_group(r.all, &seen);
      CHECK(got == r.want);
      CHECK(seen.err() == errc::canceled);  // done once it has returned, failure or not
    }
  });
}

TEST_CASE("errgroup: TestTryGo") {
  in_bubbles([]() -> task<> {
    constexpr int n = 42;
    chan<int> gate(0);
    auto wait = [&gate]() -> task<> { static_cast<void>(co_await gate.recv()); };
    int started = 0;
    bool again = false, beyond = true;
    auto body = [&](errgroup& g) -> task<> {
      for (int i = 0; i < n; ++i)
        started += g.try_go(wait) ? 1 : 0;
      beyond = g.try_go(wait);
      gate.close();
      co_await testing::settle();
      again = g.try_go(wait);
    };
    CHECK(co_await errgroup::run({.limit = n}, body));
    CHECK(started == n);
    CHECK(!beyond);
    CHECK(again);

    // Without a limit there is always room.
    started = 0;
    auto many = [&](errgroup& g) -> task<> {
      for (int i = 0; i < n; ++i)
        started += g.try_go([] {}) ? 1 : 0;
      co_return;
    };
    CHECK(co_await errgroup::run(many));
    CHECK(started == n);

    // One at a time.
    std::vector<bool> took;
    chan<int> second(0);
    auto single = [&](errgroup& g) -> task<> {
      took.push_back(
          g.try_go([&second]() -> task<> { static_cast<void>(co_await second.recv()); }));
      took.push_back(g.try_go([] {}));
      second.close();
      co_return;
    };
    CHECK(co_await errgroup::run({.limit = 1}, single));
    CHECK(took == std::vector<bool>{true, false});
  });
}

TEST_CASE("errgroup: TestGoLimit") {
  everywhere([]() -> task<> {
    constexpr std::size_t limit = 10;
    std::atomic<std::size_t> active{0}, most{0}, all{0};
    auto work = [&]() -> task<> {
      const std::size_t now = ++active;
      std::size_t before = most;
      while (now > before && !most.compare_exchange_weak(before, now)) {
      }
      for (int i = 0; i < 3; ++i)
        co_await yield();
      --active;
      ++all;
    };
    auto body = [&](errgroup& g) -> task<> {
      for (int i = 0; i < 1024; ++i)
        g.go(work);
      co_return;
    };
    CHECK(co_await errgroup::run({.limit = limit}, body));
    CHECK(all == 1024);
    CHECK(most <= limit);
  });
}

TEST_CASE("errgroup: TestCancelCause") {
  in_bubbles([]() -> task<> {
    for (const row& r : rows()) {
      context seen;
      const std::errc got = co_await end_of_group(r.all, &seen);
      CHECK(got == r.want);
      const std::error_code want =
          r.want == none ? make_error_code(errc::canceled) : std::make_error_code(r.want);
      CHECK(seen.cause().value() == want.value());
    }
  });
}

TEST_CASE("errgroup: TestPanic") {
  everywhere([]() -> task<> {
    std::atomic<bool> other_ended{false};
    chan<int> never(0);
    auto body = [&](errgroup& g) -> task<> {
      g.go([]() -> task<> {
        co_await yield();
        throw panic_error("task: panics");
      });
      g.go([&]() -> task<> {
        static_cast<void>(co_await as_result(never.recv()));
        other_ended = true;
      });
      co_return;
    };
    std::string text;
    try {
      static_cast<void>(co_await errgroup::run(body));
    } catch (const panic_error& e) {
      text = e.what();
    }
    CHECK(text == "task: panics");
    CHECK(other_ended);
  });
}
