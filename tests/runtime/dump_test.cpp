// SPDX-License-Identifier: MIT
// dump: states, wait reasons, await chains; from routines and from threads, with workers at work.
#include <sluice/blocking.hpp>
#include <sluice/chan.hpp>
#include <sluice/dump.hpp>
#include <sluice/go.hpp>
#include <sluice/routine.hpp>
#include <sluice/runtime.hpp>
#include <sluice/time.hpp>

#include "support/everywhere.hpp"
#include "support/io_calls.hpp"
#include "support/unwinding.hpp"

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <source_location>
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

routine_info info_of(std::uint64_t id) {
  for (routine_info& r : routines()) {
    if (r.id == id) return std::move(r);
  }
  return {};
}

struct lines {
  unsigned recv = 0;
  unsigned inner = 0;
  unsigned outer = 0;
};

task<> innermost(chan<int> in, lines* at) {
  at->recv = std::source_location::current().line() + 1;
  static_cast<void>(co_await in.recv());
}
task<> between(chan<int> in, lines* at) {
  at->inner = std::source_location::current().line() + 1;
  co_await innermost(in, at);
}
task<> outermost(chan<int> in, lines* at) {
  co_await yield();
  at->outer = std::source_location::current().line() + 1;
  co_await between(in, at);
}

task<> wait_for(wait_reason what, chan<int> never, int fd) {
  switch (what) {
    case wait_reason::chan_recv:
      static_cast<void>(co_await never.recv());
      break;
    case wait_reason::chan_send:
      static_cast<void>(co_await never.send(1));
      break;
    case wait_reason::chan_nil:
      static_cast<void>(co_await chan<int>().recv());
      break;
    case wait_reason::sleep:
      co_await sleep_for(std::chrono::hours(1));
      break;
    case wait_reason::poll:
      static_cast<void>(co_await readable(fd));
      break;
    case wait_reason::join: {
      auto h = go([]() -> task<> { static_cast<void>(co_await chan<int>().recv()); });
      const std::uint64_t id = h.id();
      co_await until_waiting(id);
      co_await std::move(h);
      break;
    }
    default:
      break;
  }
}

}  // namespace

TEST_SUITE("runtime/dump") {
  TEST_CASE("dump: a waiting routine shows each co_await of its chain, innermost first") {
    everywhere([]() -> task<> {
      lines at;
      chan<int> c(0);
      auto h = go(outermost, c, &at);
      co_await until_waiting(h.id());
      const routine_info r = info_of(h.id());
      CHECK(r.state == routine_state::waiting);
      CHECK(r.reason == wait_reason::chan_recv);
      CHECK(r.object != nullptr);
      CHECK_FALSE(r.stopping);
      CHECK(r.chain.size() == 3);
      if (r.chain.size() == 3) {
        CHECK(r.chain[0].line() == at.recv);
        CHECK(r.chain[1].line() == at.inner);
        CHECK(r.chain[2].line() == at.outer);
        CHECK(std::string(r.chain[0].file_name()) == __FILE__);
      }
      c.close();
      co_await std::move(h);
    });
  }

  TEST_CASE("dump: each kind of wait is named") {
    on_executors([]() -> task<> {
      const pipe_pair p;
      const std::map<wait_reason, std::string> names = {
          {wait_reason::chan_recv, "chan recv"}, {wait_reason::chan_send, "chan send"},
          {wait_reason::chan_nil, "chan nil"},   {wait_reason::sleep, "sleep"},
          {wait_reason::poll, "poll"},           {wait_reason::join, "join"}};
      for (const auto& [reason, name] : names) {
        chan<int> never(0);
        auto h = go(wait_for, reason, never, p.reader());
        for (;;) {  // the join's own yields are no wait
          co_await until_waiting(h.id());
          if (info_of(h.id()).reason == reason) break;
          co_await yield();
        }
        const routine_info r = info_of(h.id());
        CHECK(r.reason == reason);
        CHECK(to_string(std::vector<routine_info>{r}).find(name) != std::string::npos);
        h.cancel();
        const bool stopped = co_await ends_stopped(std::move(h));
        CHECK(stopped);
      }
    });
  }

  TEST_CASE("dump: created, runnable, running, done and stopping are told apart") {
    run({.workers = 1}, []() -> task<> {
      auto fresh = go([]() -> task<> { co_await yield(); });
      CHECK(info_of(fresh.id()).state == routine_state::created);
      CHECK(info_of(this_routine::id()).state == routine_state::running);
      CHECK(info_of(this_routine::id()).chain.empty());
      auto spinner = go([]() -> task<> {
        for (int i = 0; i < 4; ++i)
          co_await yield();
      });
      co_await yield();
      co_await yield();
      const routine_info r = info_of(spinner.id());
      CHECK(r.state == routine_state::runnable);
      CHECK(r.chain.size() == 1);
      co_await std::move(spinner);
      co_await until_waiting(fresh.id());
      CHECK(info_of(fresh.id()).state == routine_state::done);
      const std::uint64_t id = fresh.id();
      co_await std::move(fresh);
      CHECK(info_of(id).id == 0);
      // A record that was used before is created afresh.
      auto again = go([]() -> task<> { co_await yield(); });
      CHECK(info_of(again.id()).state == routine_state::created);
      again.cancel();
      CHECK(info_of(again.id()).stopping);
      const bool stopped = co_await ends_stopped(std::move(again));
      CHECK(stopped);
    });
  }

  TEST_CASE("dump: since counts from the beginning of the wait") {
    in_bubbles([]() -> task<> {
      chan<int> c(0);
      auto h = go([](chan<int> in) -> task<> { static_cast<void>(co_await in.recv()); }, c);
      co_await until_waiting(h.id());
      co_await sleep_for(std::chrono::seconds(90));
      CHECK(info_of(h.id()).since == std::chrono::seconds(90));
      c.close();
      co_await std::move(h);
    });
  }

  TEST_CASE("dump: the text names routine, reason, sites") {
    on_executors([]() -> task<> {
      lines at;
      chan<int> c(0);
      auto h = go(outermost, c, &at);
      co_await until_waiting(h.id());
      int ends[2];
      CHECK(::pipe(ends) == 0);
      dump(ends[1]);
      ::close(ends[1]);
      std::string text;
      char block[4096];
      for (ssize_t n = 0; (n = ::read(ends[0], block, sizeof block)) > 0;) {
        text.append(block, static_cast<std::size_t>(n));
      }
      ::close(ends[0]);
      const auto says = [&text](const std::string& words) {
        return text.find(words) != std::string::npos;
      };
      CHECK(says("routine " + std::to_string(h.id()) + " [waiting: chan recv"));
      CHECK(says("dump_test.cpp:" + std::to_string(at.recv)));
      CHECK(says("dump_test.cpp:" + std::to_string(at.inner)));
      CHECK(says("\"main\" [running]"));
      CHECK(says("started at "));
      c.close();
      co_await std::move(h);
    });
  }

  TEST_CASE("dump: from a thread outside, while a routine hogs its worker and others come and go") {
    executor ex({.workers = 2});
    std::atomic<bool> over{false};
    std::atomic<bool> hogging{false};
    auto hog = ex.go(
        [](std::atomic<bool>* until, std::atomic<bool>* begun) -> task<> {
          this_routine::set_name("hog");
          begun->store(true);
          while (!until->load())
            ::sched_yield();
          co_return;
        },
        &over, &hogging);
    chan<int> c(0);
    auto parked = ex.go([](chan<int> in) -> task<> { static_cast<void>(co_await in.recv()); }, c);
    auto busy = ex.go(
        [](std::atomic<bool>* until) -> task<int> {
          int n = 0;
          while (!until->load()) {
            auto h = go(
                [](int i) -> task<int> {
                  this_routine::set_name("brief");
                  co_await yield();
                  co_return i;
                },
                n);
            const int i = co_await std::move(h);
            if (i != n++) co_return -1;
          }
          co_return n;
        },
        &over);
    while (!hogging.load())
      ::sched_yield();
    for (int i = 0; i < 50; ++i) {
      int hogs = 0;
      for (const routine_info& r : routines()) {
        if (r.id == hog.id()) {
          CHECK(r.state == routine_state::running);
          CHECK(r.chain.empty());
          CHECK(r.name == "hog");
          ++hogs;
        }
        if (r.state == routine_state::waiting) CHECK_FALSE(r.chain.empty());
      }
      CHECK(hogs == 1);
    }
    over.store(true);
    std::move(hog).get();
    CHECK(std::move(busy).get() > 0);
    c.close();
    std::move(parked).get();
  }

  TEST_CASE("dump: from several threads and routines at once, with threads starting routines") {
    executor ex({.workers = 2});
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t) {
      threads.emplace_back([&ex, t] {
        for (int i = 0; i < 100; ++i) {
          auto h = ex.go([t]() -> task<int> {
            this_routine::set_name("counted");
            co_await yield();
            co_return t == 1 ? static_cast<int>(routines().size()) : 1;
          });
          if (t == 2) CHECK_FALSE(routines().empty());
          CHECK(std::move(h).get() > 0);
        }
      });
    }
    for (std::thread& t : threads)
      t.join();
  }
}
