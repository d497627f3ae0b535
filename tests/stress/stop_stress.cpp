// SPDX-License-Identifier: MIT
// Stop requests that race with what would end the wait: each value ends up in one place, each
// destructor runs once, each routine ends one way.
#include <sluice/blocking.hpp>
#include <sluice/chan.hpp>
#include <sluice/go.hpp>
#include <sluice/routine.hpp>
#include <sluice/runtime.hpp>
#include <sluice/time.hpp>

#include "support/counted.hpp"
#include "support/io_calls.hpp"
#include "support/unwinding.hpp"
#include "support/watchdog.hpp"

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

namespace {

struct tally {
  int delivered = 0;
  int stopped = 0;
  int wrong = 0;
};

task<int> receive_one(recv_chan<counted> in) {
  counted frame(0);
  std::optional<counted> v = co_await in.recv();
  co_return v ? v->value() : 0;
}

task<> send_one(send_chan<counted> out, counted* value) {
  counted frame(0);
  static_cast<void>(co_await out.send(std::move(*value)));
}

/// Lets a few routines run, so that the two sides meet in changing order.
task<> dawdle(unsigned n) {
  for (unsigned i = 0; i < n; ++i)
    co_await yield();
}

/// A receiver, a sender of one value, and a stop request to one of them (or both), at once.
task<> race_over_a_value(std::size_t capacity, int n, unsigned seed, tally* t, watchdog* dog) {
  std::minstd_rand random(seed);
  for (int i = 1; i <= n; ++i) {
    chan<counted> c(capacity);
    auto value = std::make_unique<counted>(i);
    auto receiver = go(receive_one, recv_chan<counted>(c));
    co_await dawdle(static_cast<unsigned>(random() >> 8) % 3);
    auto sender = go(send_one, send_chan<counted>(c), value.get());
    auto killer = go(
        [](join_handle<>* s, join_handle<int>* r, unsigned which) -> task<> {
          co_await dawdle(which / 4 % 3);
          if (which % 4 != 0) r->cancel();
          if (which % 4 != 1) s->cancel();
        },
        &sender, &receiver, static_cast<unsigned>(random() >> 8));
    co_await dawdle(static_cast<unsigned>(random() >> 8) % 3);
    co_await std::move(killer);

    const bool still_sending = static_cast<bool>(sender);
    CHECK(still_sending);
    // Whoever was not stopped must be able to end.
    c.close_recv();
    bool sender_stopped = false;
    bool receiver_stopped = false;
    int got = 0;
    try {
      co_await std::move(sender);
    } catch (const stopped_error&) {
      sender_stopped = true;
    }
    try {
      got = co_await std::move(receiver);
    } catch (const stopped_error&) {
      receiver_stopped = true;
    }
    const std::optional<counted> left = c.try_recv();
    const bool untouched = value->value() == i;
    const int places =
        (got == i ? 1 : 0) + (left && left->value() == i ? 1 : 0) + (untouched ? 1 : 0);
    if (places != 1) ++t->wrong;
    if (receiver_stopped && got != 0) ++t->wrong;
    t->delivered += got == i ? 1 : 0;
    t->stopped += (sender_stopped ? 1 : 0) + (receiver_stopped ? 1 : 0);
    dog->progress();
  }
}

}  // namespace

TEST_SUITE("stress/stop") {
  TEST_CASE("stop: racing with a hand-over, a value ends in exactly one place") {
    for (const std::size_t capacity : {0u, 1u}) {
      for (const int workers : {1, 2, 4}) {
        CAPTURE(capacity);
        CAPTURE(workers);
        counted::reset();
        watchdog dog("stop and value");
        tally all;
        run(
            {.workers = workers},
            [](std::size_t cap, int w, tally* sum, watchdog* d) -> task<> {
              std::vector<std::unique_ptr<tally>> each;
              std::vector<join_handle<>> lanes;
              for (unsigned lane = 0; lane < 4; ++lane) {
                each.push_back(std::make_unique<tally>());
                lanes.push_back(go(race_over_a_value, cap, rounds(20'000),
                                   lane + 17 * static_cast<unsigned>(w), each.back().get(), d));
              }
              for (auto& h : lanes)
                co_await std::move(h);
              for (const auto& t : each) {
                sum->delivered += t->delivered;
                sum->stopped += t->stopped;
                sum->wrong += t->wrong;
              }
            },
            capacity, workers, &all, &dog);
        CHECK(all.wrong == 0);
        CHECK(counted::balanced());
        // Both ends of the race are met, or the test shows nothing.
        CHECK(all.delivered > 0);
        CHECK(all.stopped > 0);
      }
    }
  }

  TEST_CASE("stop: from a thread outside, racing with deadlines") {
    counted::reset();
    watchdog dog("stop and sleep");
    executor ex({.workers = 2});
    std::minstd_rand random(5);
    int stopped = 0;
    int woke = 0;
    for (int i = 0; i < rounds(50'000); ++i) {
      auto h = ex.go(
          [](int us) -> task<int> {
            counted frame(1);
            co_await sleep_for(std::chrono::microseconds(us));
            co_return 1;
          },
          static_cast<int>(random() % 40));
      if (random() % 2 == 0) std::this_thread::yield();
      h.cancel();
      try {
        woke += std::move(h).get();
      } catch (const stopped_error&) {
        ++stopped;
      }
      dog.progress();
    }
    CHECK(stopped + woke == rounds(50'000));
    CHECK(ex.shutdown(std::chrono::minutes(1)).empty());
    CHECK(counted::balanced());
  }

  TEST_CASE("stop: racing with operations of the reactor, a byte that was read is delivered") {
    counted::reset();
    watchdog dog("stop and read");
    run(
        {.workers = 3},
        [](watchdog* d) -> task<> {
          std::minstd_rand random(9);
          int delivered = 0;
          int stopped = 0;
          for (int i = 0; i < rounds(50'000); ++i) {
            auto p = std::make_unique<pipe_pair>();
            auto byte = std::make_unique<char>('-');
            auto reader = go(
                [](int fd, char* to) -> task<int> {
                  counted frame(1);
                  co_return co_await read_some(fd, to, 1);
                },
                p->reader(), byte.get());
            co_await dawdle(static_cast<unsigned>(random() >> 8) % 3);
            auto writer = go([](const pipe_pair* to) { return to->put('x'); }, p.get());
            co_await dawdle(static_cast<unsigned>(random() >> 8) % 2);
            reader.cancel();
            const bool wrote = co_await std::move(writer);
            CHECK(wrote);
            int result = 0;
            try {
              result = co_await std::move(reader);
            } catch (const stopped_error&) {
              ++stopped;
              result = -1;
            }
            // A byte that the reader did not get is still in the pipe.
            char rest = '-';
            if (result == 1) {
              ++delivered;
              CHECK(*byte == 'x');
            } else {
              const int left = co_await read_some(p->reader(), &rest, 1);
              CHECK(left == 1);
              CHECK(rest == 'x');
            }
            d->progress();
          }
          CHECK(delivered + stopped == rounds(50'000));
          CHECK(stopped > 0);
        },
        &dog);
    CHECK(counted::balanced());
  }

  TEST_CASE("stop: racing with joins, and with the end of the routine itself") {
    counted::reset();
    watchdog dog("stop and join");
    run(
        {.workers = 3},
        [](watchdog* d) -> task<> {
          std::minstd_rand random(3);
          for (int i = 0; i < rounds(50'000); ++i) {
            auto target = go(
                [](unsigned n) -> task<int> {
                  counted frame(1);
                  co_await dawdle(n);
                  co_return 5;
                },
                static_cast<unsigned>(random() >> 8) % 3);
            auto joiner = go(
                [](join_handle<int> h) -> task<int> {
                  counted frame(1);
                  co_return co_await std::move(h);
                },
                std::move(target));
            co_await dawdle(static_cast<unsigned>(random() >> 8) % 3);
            joiner.cancel();
            int got = 5;
            try {
              got = co_await std::move(joiner);
            } catch (const stopped_error&) {
            }
            CHECK(got == 5);
            d->progress();
          }
        },
        &dog);
    CHECK(counted::balanced());
  }

  TEST_CASE("stop: racing with blocking calls, a call that ran has delivered") {
    watchdog dog("stop and blocking");
    run(
        {.workers = 2, .blocking_threads = 2},
        [](watchdog* d) -> task<> {
          struct shared {
            int begun = 0;     // written by the call
            int received = 0;  // by the routine
          };
          for (int i = 0; i < rounds(30'000); ++i) {
            auto s = std::make_unique<shared>();
            auto h = go(
                [](shared* x) -> task<> {
                  x->received = co_await blocking([x] { return x->begun = 1; });
                  co_await yield();
                },
                s.get());
            co_await dawdle(static_cast<unsigned>(i) % 3);
            h.cancel();
            static_cast<void>(co_await ends_stopped(std::move(h)));
            CHECK(s->begun == s->received);
            d->progress();
          }
        },
        &dog);
  }

  TEST_CASE("stop: many threads cancel one routine; it ends once") {
    counted::reset();
    watchdog dog("many cancels");
    executor ex({.workers = 2});
    for (int i = 0; i < rounds(5'000); ++i) {
      chan<int> c(0);
      auto h = ex.go(
          [](chan<int> in) -> task<> {
            counted frame(1);
            static_cast<void>(co_await in.recv());
          },
          c);
      std::thread other([&h] {
        h.cancel();
        h.cancel();
      });
      h.cancel();
      other.join();
      CHECK_THROWS_AS(std::move(h).get(), const stopped_error&);
      dog.progress();
    }
    CHECK(ex.shutdown(std::chrono::minutes(1)).empty());
    CHECK(counted::balanced());
  }
}
