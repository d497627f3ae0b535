// SPDX-License-Identifier: MIT
// Contexts and boundaries on real threads: routines enter and leave them, wait and go on, while others cancel
// contexts and routines at random. Every frame ends once, every value is in one place.
#include <sluice/boundary.hpp>
#include <sluice/chan.hpp>
#include <sluice/context.hpp>
#include <sluice/errgroup.hpp>
#include <sluice/go.hpp>
#include <sluice/routine.hpp>
#include <sluice/runtime.hpp>
#include <sluice/time.hpp>
#include <sluice/when_all.hpp>

#include "support/counted.hpp"
#include "support/seeds.hpp"
#include "support/unwinding.hpp"
#include "support/watchdog.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice_test;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t contexts = 4;

struct ledger {
  std::atomic<int> sent{0};      // values that a send has delivered
  std::atomic<int> received{0};  // and that a receive has
  std::atomic<int> cleanups{0};  // of finally, begun
  std::atomic<int> cleaned{0};   // and ended
  std::atomic<int> results{0};   // boundaries that gave a value
  std::atomic<int> stops{0};     // and an error
  std::atomic<int> wrong{0};
};

struct world {
  chan<counted> c{2};
  std::array<context, contexts> shared;
  ledger l;
  watchdog* dog = nullptr;
  std::atomic<bool> over{false};
};

class dice {
 public:
  explicit dice(std::uint64_t seed) : engine_(static_cast<std::minstd_rand::result_type>(seed)) {}
  unsigned roll(unsigned n) { return static_cast<unsigned>(engine_() >> 8) % n; }

 private:
  std::minstd_rand engine_;
};

task<> dawdle(unsigned turns) {
  for (unsigned i = 0; i < turns; ++i)
    co_await yield();
}

/// A value leaves the ledger's hands only when the send says so.
task<> send_one(world* w) {
  const counted frame(1);
  counted value(2);
  const bool ok = co_await w->c.send(std::move(value));
  if (ok) ++w->l.sent;
}
task<> receive_one(world* w) {
  const counted frame(1);
  const std::optional<counted> v = co_await w->c.recv();
  if (!v) co_return;
  if (v->value() != 2) ++w->l.wrong;
  ++w->l.received;
}
task<> clean(world* w) {
  const counted frame(1);
  ++w->l.cleanups;
  co_await yield();
  co_await yield();
  ++w->l.cleaned;
}

task<> act(world* w, dice* d, int depth);

task<> enter(world* w, dice* d, int depth) {
  const counted frame(1);
  const unsigned kind = d->roll(6);
  bool value = true;
  if (kind < 2) {
    const result<void> r = co_await with_context(w->shared[d->roll(contexts)], act(w, d, depth));
    value = r.has_value();
  } else if (kind == 2) {
    const result<void> r =
        co_await with_timeout(std::chrono::microseconds(d->roll(60)), act(w, d, depth));
    value = r.has_value();
  } else if (kind == 3) {
    const result<void> r = co_await as_result(act(w, d, depth));
    value = r.has_value();
  } else if (kind == 4) {
    co_await finally(act(w, d, depth), clean(w));
  } else {
    const auto child = context::current().with_cancel();
    const result<void> r = co_await with_context(child, act(w, d, depth));
    value = r.has_value();
  }
  ++(value ? w->l.results : w->l.stops);
}

task<> act(world* w, dice* d, int depth) {
  const counted frame(1);
  switch (d->roll(depth > 0 ? 10u : 6u)) {
    case 0:
      co_await send_one(w);
      break;
    case 1:
      co_await receive_one(w);
      break;
    case 2:
      co_await dawdle(d->roll(4));
      break;
    case 3:
      co_await sleep_for(std::chrono::microseconds(d->roll(30)));
      break;
    case 4: {
      auto h = go(dawdle, d->roll(3));
      try {
        co_await std::move(h);
      } catch (const stopped_error&) {
      }
      break;
    }
    case 5:
      co_await when_all(dawdle(d->roll(3)), send_one(w), receive_one(w), dawdle(1));
      break;
    case 6:
      co_await enter(w, d, depth - 1);
      break;
    case 7:
      co_await without_cancel(dawdle(d->roll(3)));
      break;
    case 8:
      co_await enter(w, d, depth - 1);
      co_await act(w, d, depth - 1);
      break;
    default:
      go(receive_one, w);  // inherits the context, and stops with it
      co_await enter(w, d, depth - 1);
      break;
  }
}

task<> live(world* w, std::uint64_t seed, int steps) {
  const counted frame(1);
  dice d(seed);
  for (int i = 0; i < steps; ++i) {
    co_await enter(w, &d, 3);
    w->dog->progress();
  }
}

/// Starts one life after the other, and cancels many of them.
task<> lane(world* w, std::uint64_t seed, int lives) {
  dice d(seed);
  for (int i = 0; i < lives; ++i) {
    auto h = go_in(w->shared[d.roll(contexts)], live, w, seed * 1000 + static_cast<unsigned>(i), 3);
    if (d.roll(2) == 0) {
      co_await dawdle(d.roll(6));
      h.cancel();
      if (d.roll(4) == 0) h.cancel();
    }
    try {
      co_await std::move(h);
    } catch (const stopped_error&) {
    }
    w->dog->progress();
  }
}

/// Values come and go for those that wait, so that what nobody cancels goes on, too.
task<> serve(world* w, bool sends) {
  while (!w->over) {
    if (sends) {
      counted value(2);
      if (w->c.try_send(std::move(value))) ++w->l.sent;
    } else if (const std::optional<counted> v = w->c.try_recv()) {
      if (v->value() != 2) ++w->l.wrong;
      ++w->l.received;
    }
    co_await yield();
  }
}

task<> run_world(world* w, std::uint64_t seed) {
  std::vector<join_handle<>> servers;
  servers.push_back(go(serve, w, true));
  servers.push_back(go(serve, w, false));
  for (int generation = 0; generation < rounds(10); ++generation) {
    std::vector<owned_context> owned;
    for (std::size_t i = 0; i < contexts; ++i) {
      // A chain for half of them: a cancel of one takes others along.
      owned.push_back(i % 2 == 0 ? context::current().with_cancel()
                                 : static_cast<const context&>(owned.back()).with_timeout(2ms));
      w->shared[i] = owned.back();
    }
    std::vector<join_handle<>> lanes;
    for (unsigned i = 0; i < 4; ++i)
      lanes.push_back(go(lane, w, seed * 131 + static_cast<unsigned>(generation) * 7 + i, 10));
    auto canceller = go(
        [](const std::vector<owned_context>* all, std::uint64_t s) -> task<> {
          dice d(s);
          for (const owned_context& c : *all) {
            co_await dawdle(d.roll(40));
            c.cancel(errc::closed);
          }
        },
        &owned, seed + static_cast<unsigned>(generation));
    std::thread outside([&owned, seed, generation] {
      dice d(seed + static_cast<unsigned>(generation) + 1);
      for (unsigned n = d.roll(200); n != 0; --n)
        std::this_thread::yield();
      owned[d.roll(contexts)].cancel();
    });
    for (auto& h : lanes)
      co_await std::move(h);
    co_await std::move(canceller);
    outside.join();
  }
  w->over = true;
  for (auto& h : servers)
    co_await std::move(h);
}

}  // namespace

TEST_SUITE("stress/context") {
  TEST_CASE("context: routines in shared contexts, cancelled at random, lose and double nothing") {
    for (const std::uint64_t seed : seeds(1, 2)) {
      for (const int workers : {2, 4}) {
        CAPTURE(seed);
        CAPTURE(workers);
        counted::reset();
        watchdog dog("contexts");
        {
          world w;
          w.dog = &dog;
          run({.workers = workers}, run_world, &w, seed);
          int left = 0;
          while (w.c.try_recv())
            ++left;
          CHECK(w.l.sent == w.l.received + left);
          CHECK(w.l.cleanups == w.l.cleaned);
          CHECK(w.l.wrong == 0);
          // Both ways out are met, or the test shows nothing.
          CHECK(w.l.results > 0);
          CHECK(w.l.stops > 0);
          CHECK(w.l.cleaned > 0);
        }
        CHECK(counted::balanced());
      }
    }
  }

  TEST_CASE("context: done of one's own context is told, however the cancel falls") {
    for (const std::uint64_t seed : seeds(1, 2)) {
      CAPTURE(seed);
      watchdog dog("own done");
      run(
          {.workers = 3},
          [](watchdog* d, std::uint64_t s) -> task<> {
            dice random(s);
            for (int i = 0; i < rounds(20'000); ++i) {
              auto ctx = context::current().with_cancel();
              bool told = false;
              auto h = go_in(
                  ctx,
                  [](bool* to) -> task<> {
                    co_await context::current().done();
                    *to = true;
                    co_await yield();
                    *to = false;
                  },
                  &told);
              co_await dawdle(random.roll(3));
              ctx.cancel();
              const bool stopped = co_await ends_stopped(std::move(h));
              CHECK(stopped);
              CHECK(told);
              d->progress();
            }
          },
          &dog, seed);
    }
  }

  TEST_CASE("errgroup: a stop that meets the beginning of the join stops the routines") {
    for (const std::uint64_t seed : seeds(1, 2)) {
      CAPTURE(seed);
      watchdog dog("group joins");
      run(
          {.workers = 3},
          [](watchdog* d, std::uint64_t s) -> task<> {
            dice random(s);
            for (int i = 0; i < rounds(20'000); ++i) {
              auto h = go([]() -> task<> {
                auto body = [](errgroup& g) -> task<> {
                  g.go([]() -> task<> {
                    const chan<int> never(0);
                    static_cast<void>(co_await never.recv());
                  });
                  co_return;
                };
                static_cast<void>(co_await errgroup::run(body));
              });
              co_await dawdle(random.roll(3));
              h.cancel();
              const bool stopped = co_await ends_stopped(std::move(h));
              CHECK(stopped);
              d->progress();
            }
          },
          &dog, seed);
    }
  }

  TEST_CASE("context: a join in a cancelled context ends, with what it joins or without") {
    watchdog dog("joins");
    counted::reset();
    run(
        {.workers = 4},
        [](watchdog* d) -> task<> {
          dice random(7);
          for (int i = 0; i < rounds(10'000); ++i) {
            auto ctx = context::current().with_cancel();
            const auto join = [](unsigned turns) -> task<int> {
              const counted frame(1);
              auto inner = go(
                  [](unsigned n) -> task<int> {
                    const counted own(1);
                    co_await dawdle(n);
                    co_return 5;
                  },
                  turns);
              co_return co_await std::move(inner);
            };
            const auto enter_it = [join](context in, unsigned turns) -> task<int> {
              const result<int> r = co_await with_context(in, join(turns));
              co_await yield();
              co_return r.value_or(-1);
            };
            auto h = go(enter_it, context(ctx), random.roll(4));
            auto g = go_in(ctx, join, random.roll(4));
            co_await dawdle(random.roll(4));
            ctx.cancel();
            const int got = co_await std::move(h);
            CHECK((got == 5 || got == -1));
            static_cast<void>(co_await ends_stopped(std::move(g)));
            d->progress();
          }
        },
        &dog);
    CHECK(counted::balanced());
  }

  TEST_CASE(
      "context: deadlines of microseconds race with results and with the end of the boundary") {
    watchdog dog("deadlines");
    counted::reset();
    run(
        {.workers = 3},
        [](watchdog* d) -> task<> {
          std::vector<join_handle<>> all;
          for (std::uint64_t lane_of = 1; lane_of <= 4; ++lane_of) {
            all.push_back(go(
                [](watchdog* w, std::uint64_t s) -> task<> {
                  dice random(s);
                  for (int i = 0; i < rounds(10'000); ++i) {
                    const auto work = [](unsigned us) -> task<int> {
                      const counted frame(1);
                      co_await sleep_for(std::chrono::microseconds(us));
                      co_return 4;
                    };
                    const result<int> r = co_await with_timeout(
                        std::chrono::microseconds(random.roll(20)), work(random.roll(20)));
                    const bool good =
                        r ? *r == 4 : r.error() == make_error_code(errc::deadline_exceeded);
                    CHECK(good);
                    w->progress();
                  }
                },
                d, lane_of));
          }
          for (auto& h : all)
            co_await std::move(h);
        },
        &dog);
    CHECK(counted::balanced());
  }
}
