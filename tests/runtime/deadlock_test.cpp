// SPDX-License-Identifier: MIT
// Deadlock: the process ends where nothing can wake its routines; where something can, nothing is said,
// or a warning. The negative cases wait in real time, for longer than it takes to find a deadlock.
#include <sluice/blocking.hpp>
#include <sluice/chan.hpp>
#include <sluice/context.hpp>
#include <sluice/errgroup.hpp>
#include <sluice/go.hpp>
#include <sluice/os/signal.hpp>
#include <sluice/routine.hpp>
#include <sluice/runtime.hpp>
#include <sluice/stats.hpp>
#include <sluice/time.hpp>

#include "io/child.hpp"
#include "sched/external_source.hpp"
#include "support/io_calls.hpp"

#include <atomic>
#include <chrono>
#include <csignal>
#include <memory>
#include <mutex>
#include <semaphore>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include <doctest/doctest.h>

#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace sluice;
using namespace sluice_test;

namespace {

constexpr const char* last_words = "fatal error: all routines are asleep - deadlock!\n\nroutine ";

// Twice as long as a deadlock takes to be found.
constexpr auto a_while = std::chrono::milliseconds(200);

task<> recv_from(chan<int> in) {
  static_cast<void>(co_await in.recv());
}

/// Joins the routine whose handle comes.
task<> join_what_comes(chan<join_handle<>> in) {
  auto h = co_await in.recv();
  co_await std::move(*h);
}

task<> nobody_sends() {
  const chan<int> c(0);
  co_await recv_from(c);
}

task<> main_joins_stuck() {
  auto h = go(recv_from, chan<int>(0));
  co_await std::move(h);
}

task<> cycle_of_joins() {
  const chan<join_handle<>> to_a(1);
  const chan<join_handle<>> to_b(1);
  auto a = go(join_what_comes, to_a);
  auto b = go(join_what_comes, to_b);
  co_await to_a.send(std::move(b));
  co_await to_b.send(std::move(a));
  co_await nobody_sends();
}

task<> group_at_its_limit() {
  auto body = [](errgroup& g) -> task<> {
    for (int i = 0; i < 3; ++i)
      g.go(recv_from, chan<int>(0));
    co_return;
  };
  static_cast<void>(co_await errgroup::run({.limit = 1}, body));
}

task<> after_all_else() {
  auto call = [] {};
  co_await blocking(call);
  auto brief = []() -> task<> { co_await sleep_for(std::chrono::hours(1)); };
  static_cast<void>(co_await with_timeout(std::chrono::milliseconds(2), brief));
  co_await nobody_sends();
}

/// ThreadSanitizer has a thread of its own since the first thread that a process starts. A child that is
/// forked before gets two of them, the second of which is taken for one of the program's.
template <class F>
child_end in_known_child(F f) {
  std::thread([] {}).join();
  return in_child([f] {
    // The test bench has handlers for them, which could end a wait.
    std::signal(SIGINT, SIG_DFL);
    std::signal(SIGTERM, SIG_DFL);
    return f();
  });
}

template <class F>
child_end dies(F f, int workers) {
  return in_known_child([=] { return run({.workers = workers}, f); });
}

std::mutex mu;
std::string logged;               // guarded by mu
std::binary_semaphore spoken{0};  // released with each warning of a deadlock
void keep_line(std::string_view line) {
  {
    const std::lock_guard lock(mu);
    logged += line;
    logged += '\n';
  }
  if (line.find("are asleep") != std::string_view::npos) spoken.release();
}
std::string taken() {
  const std::lock_guard lock(mu);
  return std::exchange(logged, {});
}

/// Runs f, which must give 7, with one worker and with two. Nothing may be said.
template <class F>
void goes_on(F f) {
  for (const int workers : {1, 2}) {
    CAPTURE(workers);
    taken();
    CHECK(run({.workers = workers, .log = keep_line}, f) == 7);
    CHECK(taken().empty());
  }
}

}  // namespace

TEST_SUITE("runtime/deadlock") {
  TEST_CASE(
      "deadlock: a receive that nobody sends to ends the process with Go's words and the dump") {
    for (const int workers : {1, 2}) {
      CAPTURE(workers);
      const child_end end = dies(nobody_sends, workers);
      CAPTURE(end.text);
      CHECK(end.exited_with(2));
      CHECK(end.said(last_words));
      CHECK(end.said("\"main\" [waiting: chan recv 0x"));
      CHECK(end.said("deadlock_test.cpp:"));
    }
  }

  TEST_CASE("deadlock: the dump says which routine is joined") {
    for (const int workers : {1, 2}) {
      CAPTURE(workers);
      const child_end end = dies(main_joins_stuck, workers);
      CAPTURE(end.text);
      CHECK(end.exited_with(2));
      CHECK(end.said("\"main\" [waiting: join routine "));
    }
  }

  TEST_CASE("deadlock: routines that join each other") {
    const child_end end = dies(cycle_of_joins, 2);
    CAPTURE(end.text);
    CHECK(end.exited_with(2));
    CHECK(end.said(last_words));
  }

  TEST_CASE("deadlock: routines that their group holds back count as asleep") {
    const child_end end = dies(group_at_its_limit, 2);
    CAPTURE(end.text);
    CHECK(end.exited_with(2));
    CHECK(end.said("[created]"));
  }

  TEST_CASE("deadlock: what was pending and is over does not hide it") {
    for (const int workers : {1, 2}) {
      CAPTURE(workers);
      const child_end end = dies(after_all_else, workers);
      CAPTURE(end.text);
      CHECK(end.exited_with(2));
    }
  }

  TEST_CASE("deadlock: destructors do not run") {
    const child_end end = in_known_child([] {
      struct guard {
        ~guard() { ::write(2, "destroyed", 9); }
      };
      const guard g;
      return run({.workers = 2}, nobody_sends);
    });
    CHECK(end.exited_with(2));
    CHECK_FALSE(end.said("destroyed"));
  }

  TEST_CASE("deadlock: a sleeper is none") {
    goes_on([]() -> task<int> {
      const chan<int> c(0);
      go(
          [](chan<int> out) -> task<> {
            co_await sleep_for(a_while);
            co_await out.send(7);
          },
          c);
      co_return (co_await c.recv()).value();
    });
  }

  TEST_CASE("deadlock: a deadline of a context is none") {
    goes_on([]() -> task<int> {
      auto body = []() -> task<> { co_await nobody_sends(); };
      const auto r = co_await with_timeout(a_while, body);
      co_return r.has_value() ? 0 : 7;
    });
  }

  TEST_CASE("deadlock: a blocking call is none") {
    goes_on([]() -> task<int> {
      auto call = [] {
        std::this_thread::sleep_for(a_while);
        return 7;
      };
      co_return co_await blocking(call);
    });
  }

  TEST_CASE("deadlock: an operation in flight is none") {
    goes_on([]() -> task<int> {
      const int fd = ::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
      const itimerspec once{{}, {0, std::chrono::nanoseconds(a_while).count()}};
      ::timerfd_settime(fd, 0, &once, nullptr);
      static_cast<void>(co_await readable(fd));
      ::close(fd);
      co_return 7;
    });
  }

  TEST_CASE("deadlock: another thread may send") {
    goes_on([]() -> task<int> {
      const chan<int> c(1);
      std::thread sender([c] {
        std::this_thread::sleep_for(a_while);
        c.try_send(7);
      });
      const int got = (co_await c.recv()).value();
      sender.join();
      co_return got;
    });
  }

  TEST_CASE("deadlock: something outside the process may come") {
    const auto alarm_in = [](auto t) {
      const itimerval soon{{}, {0, std::chrono::microseconds(t).count()}};
      ::setitimer(ITIMER_REAL, &soon, nullptr);
    };
    const child_end of_handler = in_known_child([&] {
      std::signal(SIGALRM, [](int) { ::_exit(7); });
      alarm_in(a_while);
      return run({.workers = 2}, nobody_sends);
    });
    CHECK(of_handler.exited_with(7));
    const child_end of_source = in_known_child([&] {
      const detail::external_source source;
      alarm_in(a_while);
      return run({.workers = 2}, nobody_sends);
    });
    CHECK(WIFSIGNALED(of_source.status));
    CHECK(dies(nobody_sends, 2).exited_with(2));
  }

  TEST_CASE(
      "deadlock: while a context waits for a signal it is none; once that is over, it is one") {
    for (const int workers : {1, 2}) {
      CAPTURE(workers);
      const auto until_alarm = []() -> task<int> {
        const itimerval soon{{}, {0, std::chrono::microseconds(a_while).count()}};
        ::setitimer(ITIMER_REAL, &soon, nullptr);
        const result<void> r = co_await with_context(signal_context(SIGALRM), nobody_sends);
        co_return !r && r.error() == std::error_code(SIGALRM, signal_category()) ? 7 : 8;
      };
      CHECK(dies(until_alarm, workers).exited_with(7));
      const auto no_more = []() -> task<> {
        auto at_once = []() -> task<> { co_return; };
        static_cast<void>(co_await with_context(signal_context(SIGALRM), at_once));
        co_await nobody_sends();
      };
      CHECK(dies(no_more, workers).exited_with(2));
    }
  }

  TEST_CASE("deadlock: with other threads, or without run, it is a warning, once") {
    for (const int workers : {1, 2}) {
      CAPTURE(workers);
      taken();
      executor ex({.workers = workers, .log = keep_line});
      const chan<int> c(0);
      auto h = ex.go(recv_from, c);
      spoken.acquire();
      CHECK(stats(ex).total.parks <= 10);
      c.close();
      std::move(h).get();
      CHECK(ex.shutdown(std::chrono::minutes(1)).empty());
      const std::string text = taken();
      CAPTURE(text);
      CHECK(
          text.starts_with("sluice: warning: all 1 routines are asleep, and nothing is pending: "
                           "they wait for other threads, or for ever\n"
                           "sluice: warning:   routine "));
      CHECK(text.ends_with(": chan recv\n"));
      CHECK(text.find("asleep") == text.rfind("asleep"));
    }
  }
}
