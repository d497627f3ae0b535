// SPDX-License-Identifier: MIT
// The bubble: virtual time, replay by seed, and what makes it fail.
#include <sluice/sluice.hpp>
#include <sluice/testing/bubble.hpp>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <fcntl.h>
#include <unistd.h>

using namespace sluice;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("testing/bubble");

namespace {

/// What a bubble that must fail says.
template <class F>
std::string failure_of(F f, std::uint64_t seed = 1) {
  try {
    testing::bubble(f, {.seed = seed});
  } catch (const testing::bubble_failure& e) {
    return e.what();
  }
  return "";
}

bool contains(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

task<> count_ticks(chan<int> out, int id, duration every, int n) {
  for (int i = 0; i < n; ++i) {
    co_await sleep_for(every);
    co_await out.send(int(id));
  }
}

task<std::vector<int>> ticks_of_two() {
  chan<int> out(0);
  go(count_ticks, out, 1, duration(2s), 3);
  go(count_ticks, out, 2, duration(3s), 2);
  std::vector<int> seen;
  for (int i = 0; i < 5; ++i)
    seen.push_back(*co_await out.recv());
  co_return seen;
}

task<std::vector<int>> race_of_ten() {
  chan<int> out(10);
  std::vector<join_handle<>> all;
  for (int i = 0; i < 10; ++i) {
    all.push_back(go([](chan<int> c, int id) -> task<> { co_await c.send(int(id)); }, out, i));
  }
  for (auto& h : all)
    co_await std::move(h);
  out.close();
  std::vector<int> order;
  while (auto v = co_await out.recv())
    order.push_back(*v);
  co_return order;
}

}  // namespace

TEST_CASE("bubble: hours of sleep pass at once, to the nanosecond") {
  const duration passed = testing::bubble([]() -> task<duration> {
    const time_point began = clock::now();
    for (int i = 0; i < 1000; ++i)
      co_await sleep_for(1h + 1ns);
    co_return clock::now() - began;
  });
  CHECK(passed.count() == duration(1000h + 1000ns).count());
}

TEST_CASE("bubble: deadlines come due in their order, whatever the seed") {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    const std::vector<int> seen = testing::bubble(ticks_of_two, {.seed = seed});
    CHECK(seen[0] == 1);            // 2 s
    CHECK(seen[1] == 2);            // 3 s
    CHECK(seen[2] == 1);            // 4 s
    CHECK(seen[3] + seen[4] == 3);  // both at 6 s
  }
}

TEST_CASE("bubble: the same seed gives the same run, and seeds give many") {
  std::vector<std::vector<int>> runs;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const auto once = testing::bubble(race_of_ten, {.seed = seed});
    const auto again = testing::bubble(race_of_ten, {.seed = seed});
    CHECK(once == again);
    runs.push_back(once);
  }
  std::size_t distinct = 0;
  for (std::size_t i = 1; i < runs.size(); ++i)
    distinct += runs[i] != runs[0] ? 1 : 0;
  CHECK(distinct > 10);
}

TEST_CASE("bubble: a deadlock is reported with seed, wait reason and place") {
  const std::string text = failure_of(
      []() -> task<> {
        chan<int> never(0);
        co_await never.recv();
      },
      77);
  CHECK(contains(text, "deadlock: all routines are asleep"));
  CHECK(contains(text, "SLUICE_SEED=77"));
  CHECK(contains(text, "chan recv"));
  CHECK(contains(text, "bubble_test.cpp"));
}

TEST_CASE("bubble: a routine left behind is a leak, also one that only sleeps") {
  CHECK(contains(failure_of([]() -> task<> {
                   go([]() -> task<> { co_await sleep_for(1s); });
                   co_return;
                 }),
                 "routines are left when the main one has ended"));
}

TEST_CASE("bubble: an exception that nobody joins fails it; one that is joined does not") {
  CHECK(contains(failure_of([]() -> task<> {
                   go([]() -> task<> {
                     co_await yield();
                     throw std::runtime_error("boom");
                   });
                   co_await sleep_for(1s);
                 }),
                 "boom"));
  CHECK(testing::bubble([]() -> task<bool> {
    auto h = go([]() -> task<> {
      co_await yield();
      throw std::runtime_error("boom");
    });
    try {
      co_await std::move(h);
    } catch (const std::runtime_error&) {
      co_return true;
    }
    co_return false;
  }));
}

TEST_CASE("bubble: what its main routine throws is thrown") {
  CHECK_THROWS_AS(testing::bubble([]() -> task<> {
                    co_await yield();
                    throw std::out_of_range("far");
                  }),
                  std::out_of_range);
}

TEST_CASE("bubble: routines left after a failure are unwound") {
  std::atomic<int> alive = 0;
  struct guard {
    explicit guard(std::atomic<int>* n) : n_(n) { ++*n_; }
    guard(const guard&) = delete;
    ~guard() { --*n_; }
    std::atomic<int>* n_;
  };
  const std::string text = failure_of([&alive]() -> task<> {
    for (int i = 0; i < 5; ++i) {
      go(
          [](std::atomic<int>* n) -> task<> {
            guard g(n);
            co_await sleep_for(1h);
          },
          &alive);
    }
    co_return;
  });
  CHECK(contains(text, "routines are left"));
  CHECK(alive == 0);
}

TEST_CASE("settle: returns when every other routine waits, before the clock moves") {
  testing::bubble([]() -> task<> {
    int steps = 0;
    auto h = go(
        [](int* n) -> task<> {
          for (int i = 0; i < 10; ++i) {
            co_await yield();
            ++*n;
          }
          co_await sleep_for(1s);
          ++*n;
        },
        &steps);
    const time_point before = clock::now();
    co_await testing::settle();
    CHECK(steps == 10);
    CHECK((clock::now() == before));
    co_await std::move(h);
    CHECK(steps == 11);
  });
}

TEST_CASE("bubble: blocking runs its call at once") {
  CHECK(testing::bubble([]() -> task<int> { co_return co_await blocking([] { return 42; }); }) ==
        42);
}

TEST_CASE("bubble: inside a routine it panics") {
  CHECK_THROWS_WITH_AS(
      run({.workers = 1},
          []() -> task<int> { co_return testing::bubble(race_of_ten).size() == 10; }),
      "bubble: called inside a routine", panic_error);
}

TEST_SUITE_END();
