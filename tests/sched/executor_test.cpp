// SPDX-License-Identifier: MIT
// executor_core below its public face: starting, failing to start, stopping, fairness.
#include <sluice/chan.hpp>
#include <sluice/error.hpp>
#include <sluice/go.hpp>
#include <sluice/routine.hpp>
#include <sluice/runtime.hpp>
#include <sluice/stats.hpp>
#include <sluice/time.hpp>

#include "sched/executor_core.hpp"
#include "support/counted.hpp"
#include "support/everywhere.hpp"
#include "support/unwinding.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <sched.h>
#include <unistd.h>

using namespace sluice;
using namespace sluice_test;

namespace {

std::size_t entries(const char* folder) {
  const std::filesystem::directory_iterator all(folder);
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}
/// Threads of this process once those that were joined have left the kernel's list, too.
std::size_t threads_at_most(std::size_t n) {
  for (int i = 0; i < 100'000 && entries("/proc/self/task") > n; ++i)
    ::sched_yield();
  return entries("/proc/self/task");
}
std::size_t open_descriptors() {
  return entries("/proc/self/fd");
}

/// Does nothing but wait; as the reactor of a worker that has no descriptors.
class plain_reactor final : public detail::reactor {
 public:
  void start(detail::operation&) noexcept override {}
  void cancel(detail::operation&) noexcept override {}
  void poll(time_point) noexcept override { ::sched_yield(); }
  bool ready() const noexcept override { return false; }
  void wake() noexcept override {}
  std::size_t inflight() const noexcept override { return 0; }
  unsigned long syscalls() const noexcept override { return 0; }
};

}  // namespace

TEST_SUITE("sched/executor") {
  TEST_CASE("executor: if one worker's reactor cannot be made, start throws and leaves nothing") {
    {
      executor once({.workers = 2});
    }  // what the process keeps for ever is made by now
    const std::size_t threads = entries("/proc/self/task");
    const std::size_t descriptors = open_descriptors();
    for (int bad = 1; bad <= 4; ++bad) {
      std::atomic<int> made{0};
      detail::core_options o;
      o.workers = 4;
      o.make_reactor = [&](detail::executor_core&) -> std::unique_ptr<detail::reactor> {
        if (made.fetch_add(1) + 1 == bad) throw std::runtime_error("no reactor");
        return std::make_unique<plain_reactor>();
      };
      detail::executor_core core(std::move(o));
      CHECK_THROWS_WITH_AS(core.start(), "no reactor", const std::runtime_error&);
    }
    CHECK(threads_at_most(threads) == threads);
    CHECK(open_descriptors() == descriptors);
  }

  TEST_CASE("executor: starts and ends, many times, and leaves no thread and no descriptor") {
    {
      executor once({.workers = 2});
    }
    const std::size_t threads = entries("/proc/self/task");
    const std::size_t descriptors = open_descriptors();
    for (int i = 0; i < 50; ++i) {
      executor ex({.workers = 1 + i % 5});
      CHECK(ex.info().workers == 1 + i % 5);
      auto h = ex.go([] { return 5; });
      CHECK(std::move(h).get() == 5);
    }
    CHECK(threads_at_most(threads) == threads);
    CHECK(open_descriptors() == descriptors);
  }

  TEST_CASE("executor: several live side by side, each with its own routines") {
    executor a({.workers = 1});
    executor b({.workers = 2});
    executor c({.workers = 3});
    std::set<std::uint64_t> ids;
    for (executor* ex : {&a, &b, &c}) {
      auto h = ex->go(
          [](const detail::executor_core* home) -> task<std::uint64_t> {
            auto child = go([home] { return &detail::current_worker()->ex == home; });
            const bool at_home = co_await std::move(child);
            CHECK(at_home);
            co_return this_routine::id();
          },
          static_cast<const detail::executor_core*>(&ex->core()));
      ids.insert(std::move(h).get());
    }
    CHECK(ids.size() == 3);
    CHECK(stats(a).workers.size() == 1);
    CHECK(stats(c).workers.size() == 3);
    CHECK(stats().workers.size() == 6);
  }

  TEST_CASE("executor: a channel shared by two executors wakes each side on its own") {
    executor left({.workers = 2});
    executor right({.workers = 2});
    chan<const detail::executor_core*> c(0);
    const auto send = [](chan<const detail::executor_core*> out, int n) -> task<bool> {
      const detail::executor_core* const home = &detail::current_worker()->ex;
      bool stayed = true;
      for (int i = 0; i < n; ++i) {
        static_cast<void>(co_await out.send(home));
        stayed = stayed && &detail::current_worker()->ex == home;
      }
      out.close();
      co_return stayed;
    };
    const auto receive = [](chan<const detail::executor_core*> in) -> task<int> {
      const detail::executor_core* const home = &detail::current_worker()->ex;
      int foreign = 0;
      while (auto from = co_await in.recv()) {
        if (&detail::current_worker()->ex != home) co_return -1;
        if (*from != home) ++foreign;
      }
      co_return foreign;
    };
    auto r = right.go(receive, c);
    auto s = left.go(send, c, 2000);
    CHECK(std::move(s).get());
    CHECK(std::move(r).get() == 2000);
  }

  TEST_CASE("executor: go from many threads at once, each routine once") {
    executor ex({.workers = 2});
    std::atomic<int> ran{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        std::vector<join_handle<>> mine;
        for (int i = 0; i < 500; ++i)
          mine.push_back(ex.go([&ran] { ran.fetch_add(1); }));
        for (auto& h : mine)
          std::move(h).get();
      });
    }
    for (std::thread& t : threads)
      t.join();
    CHECK(ran.load() == 2000);
    CHECK(stats(ex).foreign_spawned == 2000);
  }

  TEST_CASE("executor: shutdown names who does not end, and can be tried again") {
    executor ex({.workers = 2});
    std::atomic<bool> let_go{false};
    std::atomic<bool> hogging{false};
    auto hog = ex.go(
        [](std::atomic<bool>* until, std::atomic<bool>* begun) -> task<> {
          this_routine::set_name("hog");
          begun->store(true);
          while (!until->load())
            ::sched_yield();
          co_await yield();
        },
        &let_go, &hogging);
    while (!hogging.load())
      ::sched_yield();
    auto parked = ex.go([]() -> task<> { static_cast<void>(co_await chan<int>().recv()); });
    const auto left = ex.shutdown(std::chrono::milliseconds(1));
    REQUIRE(left.size() >= 1);
    bool named = false;
    for (const straggler& s : left) {
      if (s.name != "hog") continue;
      named = s.id == hog.id() && s.waiting == wait_reason::none &&
              std::string(s.spawned.file_name()).find("executor_test") != std::string::npos;
    }
    CHECK(named);
    let_go.store(true);
    CHECK(ex.shutdown(std::chrono::minutes(2)).empty());
    CHECK(ex.shutdown(std::chrono::seconds(0)).empty());
    CHECK_THROWS_AS(std::move(hog).get(), const stopped_error&);
    CHECK_THROWS_AS(std::move(parked).get(), const stopped_error&);
  }

  TEST_CASE("executor: shutdown ends the many that wait, among them the one that started them") {
    static constexpr int most = 1000;  // full batches, and what is left
    counted::reset();
    for (const int n : {1, 64, 65, most}) {
      for (const int workers : {1, 2}) {
        executor ex({.workers = workers});
        exits e;
        auto h = ex.go(
            [](int all, exits* leaving) -> task<> {
              for (int i = 0; i < all; ++i) {
                go(
                    [](exits* l) -> task<> {
                      const leaves self(l);
                      const counted frame(1);
                      static_cast<void>(co_await chan<int>().recv());
                    },
                    leaving);
              }
              const leaves self(leaving);
              static_cast<void>(co_await chan<int>().recv());
            },
            n, &e);
        CHECK(ex.shutdown(std::chrono::minutes(1)).empty());
        CHECK_THROWS_AS(std::move(h).get(), const stopped_error&);
        CHECK(e.all == n + 1);
        CHECK(e.unwound == e.all);
      }
    }
    CHECK(counted::balanced());
  }

  TEST_CASE("executor: what a routine starts while it is shut down stops as well") {
    counted::reset();
    for (int round = 0; round < 20; ++round) {
      executor ex({.workers = 2});
      auto h = ex.go([]() -> task<> {
        struct at_the_end {
          at_the_end() = default;
          at_the_end(const at_the_end&) = delete;
          at_the_end& operator=(const at_the_end&) = delete;
          ~at_the_end() {
            go([]() -> task<> {
              counted c(1);
              static_cast<void>(co_await chan<int>().recv());
            });
          }
        } guard;
        static_cast<void>(co_await chan<int>().recv());
      });
      CHECK(ex.shutdown(std::chrono::minutes(1)).empty());
      CHECK_THROWS_AS(std::move(h).get(), const stopped_error&);
    }
    CHECK(counted::balanced());
  }

  TEST_CASE("executor: while it is shut down, what others start ends, or is refused") {
    for (int round = 0; round < 100; ++round) {
      auto ex = std::make_unique<executor>(executor_options{.workers = 1 + round % 2});
      std::atomic<int> begun{0};
      std::atomic<int> ended{0};
      std::atomic<int> refused{0};
      std::vector<std::thread> starters;
      for (int i = 0; i < 2; ++i) {
        starters.emplace_back([&] {
          for (bool open = true; open; ++begun) {
            try {
              auto h = ex->go([] { return 1; });
              ended += std::move(h).get();
            } catch (const stopped_error&) {
              open = false;
              ++refused;
            }
          }
        });
      }
      while (begun < round % 10)
        std::this_thread::yield();
      CHECK(ex->shutdown(std::chrono::minutes(1)).empty());
      for (auto& t : starters)
        t.join();
      CHECK(refused == 2);
      CHECK(begun == ended + refused);
    }
  }

  TEST_CASE("executor: shutdown from one of its own routines panics") {
    executor ex({.workers = 2});
    auto h = ex.go(
        [](executor* own) -> task<std::string> {
          std::string text;
          try {
            static_cast<void>(own->shutdown(std::chrono::seconds(1)));
          } catch (const panic_error& e) {
            text = e.what();
          }
          co_return text;
        },
        &ex);
    CHECK(std::move(h).get() == "executor: shutdown from one of its own routines");
  }

  TEST_CASE("executor: a pair that hands work to and fro does not keep others from running") {
    for (const int workers : {1, 2}) {
      run({.workers = workers}, []() -> task<> {
        chan<int> there(0);
        chan<int> back(0);
        const auto hand_on = [](chan<int> in, chan<int> out) -> task<> {
          while (auto v = co_await in.recv()) {
            const bool sent = co_await out.send(*v + 1);
            if (!sent) break;
          }
          out.close_recv();
        };
        auto a = go(hand_on, there, back);
        auto b = go(hand_on, back, there);
        static_cast<void>(co_await there.send(0));
        // Others run, timers fire and threads outside are heard all the while.
        int others = 0;
        for (int i = 0; i < 50; ++i) {
          auto h = go([]() -> task<int> {
            co_await yield();
            co_return 1;
          });
          others += co_await std::move(h);
          co_await sleep_for(std::chrono::microseconds(50));
        }
        CHECK(others == 50);
        there.close_recv();
        back.close_recv();
        co_await std::move(a);
        co_await std::move(b);
      });
    }
  }

  TEST_CASE("executor: a run queue that overflows loses nothing") {
    everywhere([]() -> task<> {
      std::vector<join_handle<int>> all;
      for (int i = 0; i < 3000; ++i)
        all.push_back(go([i] { return i; }));
      int sum = 0;
      for (auto& h : all)
        sum += co_await std::move(h);
      CHECK(sum == 3000 * 2999 / 2);
    });
    run({.workers = 1}, []() -> task<> {
      for (int i = 0; i < 3000; ++i)
        go([] {});
      CHECK(stats().total.overflows > 0);
      co_return;
    });
  }

  TEST_CASE(
      "executor: a routine that hogs its worker holds neither its run-next nor its timers back") {
    run({.workers = 2}, []() -> task<> {
      std::atomic<int> others{0};
      auto hog = go(
          [](std::atomic<int>* n) -> task<> {
            auto sleeper = go(
                [](std::atomic<int>* k) -> task<> {
                  co_await sleep_for(std::chrono::milliseconds(2));
                  k->fetch_add(1);
                },
                n);
            co_await yield();  // the sleeper sleeps on this worker, most likely
            auto next = go([](std::atomic<int>* k) { k->fetch_add(1); }, n);
            while (n->load() != 2)
              ::sched_yield();  // only others can bring this about
            co_await std::move(sleeper);
            co_await std::move(next);
          },
          &others);
      co_await std::move(hog);
      CHECK(others.load() == 2);
    });
  }
}
