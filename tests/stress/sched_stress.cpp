// SPDX-License-Identifier: MIT
// No wake-up is lost: workers that park all the time, threads that push from outside, many workers on
// few CPUs, executors that come and go. A watchdog ends a test that has fallen silent.
#include <sluice/chan.hpp>
#include <sluice/go.hpp>
#include <sluice/routine.hpp>
#include <sluice/runtime.hpp>
#include <sluice/stats.hpp>
#include <sluice/time.hpp>

#include "support/counted.hpp"
#include "support/unwinding.hpp"
#include "support/watchdog.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice_test;

namespace {

/// `rings` rings of `size` routines, each with one token that makes `hops` hops. Routines sometimes sleep
/// for a moment or yield, so that workers park often.
task<> full_rings(int workers, int rings, int size, int hops, watchdog* dog) {
  chan<int> done(unbounded);
  std::vector<join_handle<>> all;
  for (int r = 0; r < rings; ++r) {
    std::vector<chan<int>> links;
    for (int i = 0; i < size; ++i)
      links.emplace_back(static_cast<std::size_t>(i % 2));
    for (int i = 0; i < size; ++i) {
      const auto at = static_cast<std::size_t>(i);
      all.push_back(go(
          [](recv_chan<int> in, send_chan<int> out, send_chan<int> over, watchdog* d,
             unsigned seed) -> task<> {
            std::minstd_rand random(seed);
            while (auto token = co_await in.recv()) {
              d->progress();
              const unsigned dice = static_cast<unsigned>(random() >> 8) % 64;
              if (dice == 0) co_await sleep_for(std::chrono::microseconds(1 + random() % 60));
              if (dice == 1) co_await yield();
              if (*token == 0) {
                over.try_send(1);
              } else {
                static_cast<void>(co_await out.send(*token - 1));
              }
            }
          },
          recv_chan<int>(links[at]), send_chan<int>(links[(at + 1) % links.size()]),
          send_chan<int>(done), dog, static_cast<unsigned>((workers * 100 + r) * 1000 + i + 1)));
    }
    const bool sent = co_await links[0].send(hops);
    CHECK(sent);
  }
  for (int r = 0; r < rings; ++r)
    static_cast<void>(co_await done.recv());
  for (auto& h : all) {
    h.cancel();
    const bool stopped = co_await ends_stopped(std::move(h));
    CHECK(stopped);
  }
}

}  // namespace

TEST_SUITE("stress/sched") {
  TEST_CASE("sched: few tokens in many rings, on 2, 4 and 64 workers: none is forgotten") {
    for (const int workers : {2, 4, 64}) {
      CAPTURE(workers);
      watchdog dog("rings");
      run({.workers = workers}, full_rings, workers, 3, 7, rounds(200'000), &dog);
    }
  }

  TEST_CASE("sched: a routine that waits is woken by a thread outside, each time") {
    for (const int workers : {1, 2, 3}) {
      CAPTURE(workers);
      watchdog dog("outside");
      executor ex({.workers = workers});
      chan<int> there(unbounded);
      std::atomic<int> back{0};
      auto h = ex.go(
          [](recv_chan<int> in, std::atomic<int>* out) -> task<> {
            while (auto v = co_await in.recv()) {
              out->store(*v, std::memory_order_release);
              out->notify_one();
            }
          },
          recv_chan<int>(there), &back);
      const int n = rounds(50'000);
      for (int i = 1; i <= n; ++i) {
        there.try_send(i);
        for (int seen = back.load(std::memory_order_acquire); seen != i;
             seen = back.load(std::memory_order_acquire)) {
          back.wait(seen, std::memory_order_acquire);
        }
        dog.progress();
      }
      there.close();
      std::move(h).get();
    }
  }

  TEST_CASE("sched: threads outside start routines all the time, and each runs") {
    watchdog dog("go from outside");
    std::atomic<int> ran{0};
    constexpr int each = rounds(20'000);
    {
      executor ex({.workers = 3});
      std::vector<std::thread> threads;
      for (int t = 0; t < 3; ++t) {
        threads.emplace_back([&ex, &ran, &dog, t] {
          std::minstd_rand random(static_cast<unsigned>(t + 1));
          for (int i = 0; i < each; ++i) {
            auto h = ex.go(
                [](std::atomic<int>* n, watchdog* d) -> task<> {
                  co_await yield();
                  n->fetch_add(1, std::memory_order_relaxed);
                  d->progress();
                },
                &ran, &dog);
            if (random() % 16 == 0) std::move(h).get();
          }
        });
      }
      for (std::thread& t : threads)
        t.join();
      auto last = ex.go(
          [](std::atomic<int>* n, int all) -> task<> {
            while (n->load(std::memory_order_relaxed) != all)
              co_await yield();
          },
          &ran, 3 * each);
      std::move(last).get();
    }
    CHECK(ran.load() == 3 * each);
  }

  TEST_CASE("sched: two executors hand one token to and fro") {
    watchdog dog("two executors");
    executor left({.workers = 2});
    executor right({.workers = 1});
    chan<int> to_right(0);
    chan<int> to_left(0);
    const auto echo = [](recv_chan<int> in, send_chan<int> out, watchdog* d) -> task<int> {
      int last = -1;
      while (auto v = co_await in.recv()) {
        d->progress();
        last = *v;
        if (last == 0) break;
        static_cast<void>(co_await out.send(last - 1));
        if (last == 1) break;
      }
      co_return last;
    };
    auto r = right.go(echo, recv_chan<int>(to_right), send_chan<int>(to_left), &dog);
    auto l = left.go(echo, recv_chan<int>(to_left), send_chan<int>(to_right), &dog);
    auto first = left.go(
        [](send_chan<int> out, int n) -> task<> { static_cast<void>(co_await out.send(n)); },
        send_chan<int>(to_right), rounds(100'000));
    std::move(first).get();
    const int last_right = std::move(r).get();
    const int last_left = std::move(l).get();
    CHECK(last_right + last_left == 1);
  }

  TEST_CASE("sched: bursts of routines on workers that had all gone to sleep") {
    watchdog dog("bursts");
    run(
        {.workers = 4},
        [](watchdog* d) -> task<> {
          for (int round = 0; round < rounds(10'000); ++round) {
            chan<int> out(unbounded);
            const int n = 1 + round % 50;
            for (int i = 0; i < n; ++i) {
              go(
                  [](send_chan<int> to, int v) -> task<> {
                    if (v % 3 == 0) co_await yield();
                    static_cast<void>(co_await to.send(v));
                  },
                  send_chan<int>(out), i);
            }
            int sum = 0;
            for (int i = 0; i < n; ++i)
              sum += (co_await out.recv()).value_or(-1000);
            CHECK(sum == n * (n - 1) / 2);
            d->progress();
            co_await sleep_for(std::chrono::microseconds(round % 90));
          }
        },
        &dog);
  }

  TEST_CASE("sched: executors end while their routines are busy, parked and asleep") {
    counted::reset();
    watchdog dog("shutdown");
    for (int round = 0; round < rounds(3'000); ++round) {
      executor ex({.workers = 1 + round % 4});
      chan<int> never(0);
      for (int i = 0; i < 40; ++i) {
        static_cast<void>(ex.go(
            [](int kind, chan<int> c) -> task<> {
              counted outer(kind);
              const auto wait = [](int k, chan<int> in) -> task<> {
                counted inner(k);
                switch (k % 5) {
                  case 0:
                    static_cast<void>(co_await in.recv());
                    break;
                  case 1:
                    static_cast<void>(co_await chan<int>().send(1));
                    break;
                  case 2:
                    co_await sleep_for(std::chrono::hours(1));
                    break;
                  case 3:
                    for (;;)
                      co_await yield();
                  default: {
                    auto h =
                        go([](chan<int> x) -> task<> { static_cast<void>(co_await x.recv()); }, in);
                    co_await std::move(h);
                  }
                }
              };
              co_await wait(kind, c);
            },
            i, never));
      }
      if (round % 3 != 0) {
        auto h = ex.go(
            [](int n) -> task<> {
              for (int i = 0; i < n; ++i)
                co_await yield();
            },
            round % 7);
        std::move(h).get();
      }
      const auto left = ex.shutdown(std::chrono::minutes(2));
      CHECK(left.empty());
      CHECK(stats(ex).routines.live() == 0);
      dog.progress();
    }
    CHECK(counted::balanced());
  }

  TEST_CASE("sched: short-lived executors woken by a long-lived one through channels") {
    watchdog dog("lifetimes");
    executor steady({.workers = 2});
    chan<chan<int>> requests(0);
    auto server = steady.go(
        [](recv_chan<chan<int>> in) -> task<> {
          while (auto reply = co_await in.recv())
            reply->try_send(7);
        },
        recv_chan<chan<int>>(requests));
    for (int round = 0; round < rounds(3'000); ++round) {
      executor brief({.workers = 1 + round % 2});
      auto h = brief.go(
          [](send_chan<chan<int>> out) -> task<int> {
            chan<int> reply(1);
            static_cast<void>(co_await out.send(reply));
            co_return (co_await reply.recv()).value_or(-1);
          },
          send_chan<chan<int>>(requests));
      CHECK(std::move(h).get() == 7);
      dog.progress();
    }
    requests.close();
    std::move(server).get();
  }
}
