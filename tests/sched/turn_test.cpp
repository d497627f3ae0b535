// SPDX-License-Identifier: MIT
// Turns: a routine whose awaits are all ready lets others in, and what is due comes soon, whoever keeps
// the worker busy. One worker throughout: with more, others would serve those that wait.
#include <sluice/blocking.hpp>
#include <sluice/chan.hpp>
#include <sluice/fs/file.hpp>
#include <sluice/go.hpp>
#include <sluice/routine.hpp>
#include <sluice/runtime.hpp>
#include <sluice/stats.hpp>
#include <sluice/time.hpp>

#include "base/fibre.hpp"
#include "sched/executor_core.hpp"
#include "support/everywhere.hpp"
#include "testing/sim_reactor.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <vector>

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice_test;
using detail::awaits_in_a_turn;
using std::chrono::microseconds;

namespace {

task<> set(std::atomic<bool>* flag) {
  *flag = true;
  co_return;
}
task<int> one() {
  co_return 1;
}

/// Awaits `step` until another routine, which is ready from the beginning, has run; for five turns at
/// most.
template <class Step>
task<> let_in_beside(Step step) {
  std::atomic<bool> ran = false;
  auto other = go(set, &ran);
  std::uint32_t awaits = 0;
  for (; !ran && awaits < 5 * awaits_in_a_turn; ++awaits)
    co_await step(awaits);
  CHECK(ran);
  CHECK(awaits <= awaits_in_a_turn);
  co_await std::move(other);
}

/// The same in bubbles and on an executor, of one worker each. `make` makes a step: a callable that
/// takes the number of the await.
template <class Make>
void lets_in(Make make) {
  const auto body = [](Make m) -> task<> {
    auto step = m();
    co_await let_in_beside(step);
  };
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    CAPTURE(seed);
    testing::bubble([=]() -> task<> { co_await body(make); }, {.seed = seed, .workers = 1});
  }
  run({.workers = 1}, body, make);
}

/// Time that passes when a test says so.
struct hand_clock final : detail::simulation {
  time_point now() const noexcept override { return t; }
  void settle(detail::wait_point&) noexcept override {}
  void unsettle(detail::wait_point&) noexcept override {}
  time_point t{std::chrono::hours(24)};
};

/// One worker on such a clock, driven by the test.
class bench {
 public:
  bench() : ex_(options()) {
    w_ = ex_.workers().front().get();
    w_->io = std::make_unique<detail::sim_reactor>();
    w_->now = clock.t;
    detail::set_current_worker(w_);
  }
  bench(const bench&) = delete;
  bench& operator=(const bench&) = delete;
  ~bench() { detail::set_current_worker(nullptr); }

  /// Runs what can be run, with the clock at a standstill but for what the routines do to it; jumps to
  /// the next deadline when nothing can.
  void drive() {
    while (ex_.live() != 0) {
      if (detail::routine* r = w_->find(false)) {
        w_->run(*r);
      } else {
        clock.t = std::max(clock.t, w_->timers.next());
      }
    }
  }

  hand_clock clock;

 private:
  [[no_unique_address]] detail::fibres_off one_thread_;
  detail::core_options options() {
    detail::core_options o;
    o.workers = 1;
    o.simulated = &clock;
    return o;
  }
  detail::executor_core ex_;
  detail::worker* w_ = nullptr;
};

/// Computes for `slice`, then yields, until `end` is set.
task<> compute(hand_clock* clock, duration slice, const bool* end) {
  while (!*end) {
    clock->t += slice;
    co_await yield();
  }
}

/// Sleeps again and again. `late`: how long after its time it ran, in order of size.
task<> sleep_often(hand_clock* clock, std::vector<duration>* late, bool* end) {
  for (int i = 0; i < 200; ++i) {
    const duration d = microseconds(101 + 37 * (i % 7));
    const time_point due = clock->t + d;
    co_await sleep_for(d);
    late->push_back(clock->t - due);
  }
  std::sort(late->begin(), late->end());
  *end = true;
}

/// How late a sleeper is beside `n` routines that compute for `slice` each: median and largest.
std::array<duration, 2> lateness_beside(int n, duration slice) {
  bench b;
  bool end = false;
  std::vector<duration> late;
  for (int i = 0; i < n; ++i)
    static_cast<void>(go(compute, &b.clock, slice, static_cast<const bool*>(&end)));
  static_cast<void>(go(sleep_often, &b.clock, &late, &end));
  b.drive();
  return {late[late.size() / 2], late.back()};
}

}  // namespace

TEST_SUITE("sched/turn") {
  TEST_CASE("turn: sends and receives that are ready let others in") {
    lets_in([] {
      return [c = chan<std::uint32_t>(4)](std::uint32_t i) -> task<> {
        if (i % 2 == 0) {
          CHECK(co_await c.send(std::uint32_t{i}));
        } else {
          CHECK(co_await c.recv() == i - 1);  // what is awaited at the end of a turn is not lost
        }
      };
    });
  }

  TEST_CASE("turn: operations on a closed channel let others in") {
    lets_in([] {
      chan<int> c(1);
      c.close();
      return [c](std::uint32_t) { return c.recv(); };
    });
    lets_in([] {
      chan<int> c(0);
      c.close_recv();
      return [c](std::uint32_t) { return c.emplace(1); };
    });
  }

  TEST_CASE("turn: sleeps that are over let others in") {
    lets_in([] { return [](std::uint32_t) { return sleep_for(duration::zero()); }; });
    lets_in([] { return [](std::uint32_t) { return sleep_until(time_point{}); }; });
  }

  TEST_CASE("turn: tasks that do not wait let others in") {
    lets_in([] { return [](std::uint32_t) { return one(); }; });
  }

  TEST_CASE("turn: operations on a closed file let others in") {
    lets_in([] {
      return [f = std::make_shared<fs::file>()](std::uint32_t) -> task<> {
        CHECK_FALSE(co_await f->fsync());
      };
    });
  }

  TEST_CASE("turn: joins of routines that have ended let others in") {
    run({.workers = 1}, []() -> task<> {
      std::vector<join_handle<int>> ended;
      for (std::uint32_t i = 0; i < 3 * awaits_in_a_turn; ++i)
        ended.push_back(go(one));
      while (stats().routines.live() != 1)
        co_await yield();
      std::atomic<bool> ran = false;
      auto other = go(set, &ran);
      std::uint32_t joined = 0;
      for (; !ran && joined < ended.size(); ++joined)
        CHECK(co_await std::move(ended[joined]) == 1);
      CHECK(ran);
      CHECK(joined <= awaits_in_a_turn);
      co_await std::move(other);
    });
  }

  TEST_CASE("turn: calls that a bubble makes inline let others in") {
    testing::bubble(
        []() -> task<> {
          co_await let_in_beside([](std::uint32_t) -> task<> {
            auto nothing = [] {};
            co_await blocking(nothing);
          });
        },
        {.workers = 1});
  }

  TEST_CASE("turn: a routine that nobody waits behind goes on without a step through the queue") {
    run({.workers = 1}, []() -> task<> {
      const chan<int> c(1);
      const std::uint64_t before = stats().total.resumed;
      for (std::uint32_t i = 0; i < 10 * awaits_in_a_turn; ++i) {
        co_await c.send(1);
        co_await c.recv();
      }
      CHECK(stats().total.resumed == before);
    });
  }

  TEST_CASE(
      "turn: a stop that comes between turns leaves what was awaited, and ends the next wait") {
    const detail::fibres_off one_thread;
    testing::bubble(
        []() -> task<> {
          std::uint32_t done = 0;
          auto h = go(
              [](std::uint32_t* n) -> task<> {
                const chan<int> c(awaits_in_a_turn * 2);
                for (;; ++*n)
                  co_await c.send(1);
              },
              &done);
          while (done == 0)
            co_await yield();
          const std::uint32_t seen = done;  // its last await is done, and not yet taken
          CHECK(seen == awaits_in_a_turn - 1);
          h.cancel();
          CHECK_THROWS_AS(co_await std::move(h), stopped_error);
          CHECK(done == seen + 1);
        },
        {.workers = 1});
  }

  TEST_CASE("turn: more yielding routines than the run queue holds take turns all the same") {
    const detail::fibres_off one_thread;
    run({.workers = 1}, []() -> task<> {
      constexpr std::size_t routines = 2000;
      constexpr int turns = 20;
      std::vector<int> done(routines, 0);
      int fewest = turns;  // when the first has finished
      std::vector<join_handle<>> all;
      for (std::size_t i = 0; i < routines; ++i) {
        all.push_back(go(
            [](std::vector<int>* d, std::size_t self, int* least) -> task<> {
              while (++(*d)[self] < turns)
                co_await yield();
              if (*least == turns) *least = *std::min_element(d->begin(), d->end());
            },
            &done, i, &fewest));
      }
      for (auto& h : all)
        co_await std::move(h);
      CHECK(fewest >= turns / 2);
    });
  }

  TEST_CASE("turn: a sleeper that is due waits for one slice of those who compute, not for all") {
    constexpr duration slice = microseconds(100);
    const auto [median, most] = lateness_beside(8, slice);
    CHECK(median <= slice);
    CHECK(most <= 10 * slice);  // a bubble's worker sends it to the end of the queue now and then
  }

  TEST_CASE("turn: a sleeper that is due goes before a thousand routines that are ready") {
    constexpr duration slice = std::chrono::nanoseconds(100);
    const auto [median, most] = lateness_beside(1000, slice);
    CHECK(median <= 61 * slice);
    CHECK(most <= 3 * 1000 * slice);
  }
}
