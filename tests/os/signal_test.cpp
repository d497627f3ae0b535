// SPDX-License-Identifier: MIT
// signal_context: what a signal cancels, and when it is caught.
#include <sluice/chan.hpp>
#include <sluice/context.hpp>
#include <sluice/errgroup.hpp>
#include <sluice/error.hpp>
#include <sluice/go.hpp>
#include <sluice/os/signal.hpp>
#include <sluice/routine.hpp>
#include <sluice/runtime.hpp>
#include <sluice/time.hpp>

#include "io/child.hpp"
#include "os/dispositions.hpp"
#include "support/counted.hpp"

#include <atomic>
#include <chrono>
#include <csignal>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <sys/wait.h>
#include <unistd.h>

using namespace sluice;
using namespace sluice_test;

namespace {

std::error_code cause_of(int signal) {
  return {signal, signal_category()};
}

task<> wait_for_ever() {
  static_cast<void>(co_await chan<int>().recv());
}

task<> yield_once() {
  co_await yield();
}

std::string panic_of(int signal) {
  try {
    const owned_context never = signal_context(SIGUSR1, signal);
  } catch (const panic_error& e) {
    return e.what();
  }
  return {};
}

}  // namespace

TEST_SUITE("os/signal") {
  TEST_CASE("signal_context: the first of its signals cancels it, and the cause says which") {
    for (const int workers : {1, 3}) {
      for (const int signal : {SIGINT, SIGTERM, SIGUSR1, SIGRTMIN + 3}) {
        CAPTURE(workers);
        CAPTURE(signal);
        run({.workers = workers}, [&]() -> task<> {
          const owned_context stop = signal_context(SIGINT, SIGTERM, SIGUSR1, SIGRTMIN + 3);
          CHECK_FALSE(stop.err());
          send(signal);
          co_await stop.done();
          CHECK(stop.err() == errc::canceled);
          CHECK(stop.cause() == cause_of(signal));
        });
      }
    }
    CHECK(cause_of(SIGINT).message() == "interrupted by SIGINT");
    CHECK(cause_of(SIGTERM).message() == "interrupted by SIGTERM");
    CHECK(cause_of(60).message() == "interrupted by signal 60");
    CHECK(std::string(signal_category().name()) == "signal");
    CHECK(cause_of(SIGINT) != errc::canceled);
  }

  TEST_CASE("signal_context: with_context takes it as it is made, and gives the signal as error") {
    counted::reset();
    const disposition interrupt(SIGINT, SIG_DFL);  // instead of the test framework's own
    const disposition termination(SIGTERM, SIG_DFL);
    for (const int workers : {1, 3}) {
      CAPTURE(workers);
      run({.workers = workers}, []() -> task<> {
        auto work = [](counted c, int signal) -> task<int> {
          if (signal != 0) {
            send(signal);
            co_await wait_for_ever();
          }
          co_return c.value();
        };
        auto r = co_await with_context(signal_context(SIGINT, SIGTERM), work(counted(1), SIGTERM));
        REQUIRE_FALSE(r.has_value());
        CHECK(r.error() == cause_of(SIGTERM));
        CHECK(is_default(SIGINT));
        CHECK(is_default(SIGTERM));

        r = co_await with_context(signal_context(SIGINT), work(counted(2), 0));
        CHECK(r.value() == 2);
        CHECK(is_default(SIGINT));

        const owned_context stop = signal_context(SIGINT);
        r = co_await with_context(stop, work(counted(3), 0));
        CHECK(r.value() == 3);
        CHECK_FALSE(is_default(SIGINT));
        r = co_await with_context(stop, work(counted(4), SIGINT));
        REQUIRE_FALSE(r.has_value());
        CHECK(r.error() == cause_of(SIGINT));
      });
    }
    CHECK(counted::balanced());
  }

  TEST_CASE("signal_context: a group in it is stopped as one, and says what stopped it") {
    run({.workers = 2}, []() -> task<> {
      counted::reset();
      auto body = [](errgroup& g) -> task<> {
        for (int i = 0; i < 100; ++i) {
          g.go([](counted /*c*/) -> task<> { co_await wait_for_ever(); }, counted(i));
        }
        send(SIGINT);
        co_return;
      };
      auto r = co_await with_context(signal_context(SIGINT), errgroup::run(body));
      REQUIRE_FALSE(r.has_value());
      CHECK(r.error() == cause_of(SIGINT));
      CHECK(counted::balanced());
    });
  }

  TEST_CASE(
      "signal_context: all that wait for a signal are cancelled: nested, and in all executors") {
    std::atomic<int> ready = 0;
    const auto body = [&ready]() -> task<> {
      const owned_context outer = signal_context(SIGUSR1);
      auto within = [&]() -> task<> {
        const owned_context inner = signal_context(SIGUSR1, SIGUSR2);
        ready.fetch_add(1);
        co_await inner.done();
        CHECK(inner.cause() == cause_of(SIGUSR1));
      };
      // The one further out may be told first: then the wait for the inner one is the last.
      static_cast<void>(co_await with_context(outer, within));
      co_await outer.done();
      CHECK(outer.cause() == cause_of(SIGUSR1));
    };
    {
      executor one({.workers = 1});
      executor two({.workers = 2});
      std::vector<join_handle<>> all;
      for (int i = 0; i < 8; ++i) {
        all.push_back(one.go(body));
        all.push_back(two.go(body));
      }
      while (ready.load() != 16)
        std::this_thread::yield();
      CHECK_FALSE(is_default(SIGUSR1));
      CHECK_FALSE(is_default(SIGUSR2));
      send(SIGUSR1);
      for (auto& h : all)
        std::move(h).get();
    }
    CHECK(is_default(SIGUSR1));
    CHECK(is_default(SIGUSR2));
  }

  TEST_CASE("signal_context: with the last one for a signal its former disposition is back") {
    heard = 0;
    for (const handler former : {handler(SIG_DFL), handler(SIG_IGN), handler(hear)}) {
      const disposition set(SIGUSR1, former);
      std::optional<owned_context> first(signal_context(SIGUSR1));
      const handler ours = handler_of(SIGUSR1);
      CHECK_FALSE(has(SIGUSR1, former));
      std::optional<owned_context> second(signal_context(SIGUSR1, SIGUSR2));
      const context copy = *second;
      first.reset();
      CHECK(has(SIGUSR1, ours));
      CHECK(has(SIGUSR2, ours));
      second.reset();  // though the copy lives
      CHECK(has(SIGUSR1, former));
      CHECK(is_default(SIGUSR2));
      CHECK(copy.err() == errc::canceled);
      CHECK(copy.cause() == errc::canceled);

      run({.workers = 2}, [&]() -> task<> {
        const owned_context both = signal_context(SIGUSR1, SIGUSR2);
        const owned_context other = signal_context(SIGUSR2);
        send(SIGUSR1);
        co_await both.done();
        CHECK(has(SIGUSR1, former));
        CHECK(has(SIGUSR2, ours));  // for the other one
        CHECK_FALSE(other.err());
      });
      CHECK(is_default(SIGUSR2));
    }
    CHECK(heard.load() == 0);
  }

  TEST_CASE("signal_context: so it is if the context ends by another cause: its parent, cancel()") {
    run({.workers = 2}, []() -> task<> {
      auto within = []() -> task<> {
        const owned_context stop = signal_context(SIGUSR1);
        CHECK_FALSE(is_default(SIGUSR1));
        co_await stop.done();
        CHECK(stop.cause() == errc::deadline_exceeded);
        CHECK(is_default(SIGUSR1));
      };
      const auto late = co_await with_timeout(std::chrono::milliseconds(1), within);
      CHECK((late.has_value() || late.error() == errc::deadline_exceeded));
      const owned_context parent = context::current().with_cancel();
      parent.cancel();
      auto below = []() -> task<> {
        const owned_context at_once = signal_context(SIGUSR1);
        CHECK(at_once.err() == errc::canceled);
        CHECK(is_default(SIGUSR1));
        co_return;
      };
      static_cast<void>(co_await with_context(parent, below));
      const owned_context by_hand = signal_context(SIGUSR1);
      by_hand.cancel(cause_of(SIGINT));
      CHECK(is_default(SIGUSR1));
      CHECK(by_hand.cause() == cause_of(SIGINT));
    });
  }

  TEST_CASE("signal_context: a handler that others have put in its place meanwhile stays") {
    const disposition after_all(SIGUSR1, SIG_DFL);
    std::optional<owned_context> stop(signal_context(SIGUSR1));
    const disposition others(SIGUSR1, hear_otherwise);
    stop.reset();
    CHECK(has(SIGUSR1, hear_otherwise));
  }

  TEST_CASE("signal_context: a second signal does what it did before: it ends the program") {
    until_no_signal_thread();  // it is a child of one thread
    for (const int second : {SIGINT, SIGTERM}) {
      const child_end end = in_child([second] {
        const disposition interrupt(SIGINT, SIG_DFL);  // instead of the test framework's own
        const disposition termination(SIGTERM, SIG_DFL);
        return run(
            {.workers = 2},
            [](int signal) -> task<int> {
              const owned_context stop = signal_context(SIGINT, SIGTERM);
              send(SIGINT);
              co_await stop.done();
              send(signal);
              co_await wait_for_ever();
              co_return 0;
            },
            second);
      });
      CHECK(WIFSIGNALED(end.status));
      CHECK(WTERMSIG(end.status) == second);
    }
  }

  TEST_CASE("signal_context: what cannot be caught, is a fault, or no signal is refused by name") {
    CHECK(panic_of(SIGKILL) == "signal_context: SIGKILL cannot be caught");
    CHECK(panic_of(SIGSTOP) == "signal_context: SIGSTOP cannot be caught");
    CHECK(panic_of(SIGSEGV) == "signal_context: SIGSEGV is a fault of the code that runs");
    CHECK(panic_of(SIGBUS) == "signal_context: SIGBUS is a fault of the code that runs");
    CHECK(panic_of(SIGFPE) == "signal_context: SIGFPE is a fault of the code that runs");
    CHECK(panic_of(SIGILL) == "signal_context: SIGILL is a fault of the code that runs");
    CHECK(panic_of(SIGTRAP) == "signal_context: SIGTRAP is a fault of the code that runs");
    CHECK(panic_of(SIGSYS) == "signal_context: SIGSYS is a fault of the code that runs");
    for (const int none : {-1, 0, 33, 65, 1 << 30})  // 33 is the C library's own
      CHECK(panic_of(none) == "signal_context: no such signal");
    CHECK(is_default(SIGUSR1));
    CHECK(panic_of(SIGRTMAX).empty());
  }

  TEST_CASE("signal_context: outside of routines it is a child of the background") {
    const owned_context stop = signal_context(SIGUSR1);
    ::raise(SIGUSR1);
    executor ex({.workers = 1});
    ex.go([](context c) -> task<> { co_await c.done(); }, context(stop)).get();
    CHECK(stop.cause() == cause_of(SIGUSR1));
  }

  TEST_CASE("signal_context: a signal that all threads of the program block is caught") {
    sigset_t one;
    sigset_t before;
    ::sigemptyset(&one);
    ::sigaddset(&one, SIGUSR1);
    ::pthread_sigmask(SIG_BLOCK, &one, &before);
    run({.workers = 2}, []() -> task<> {
      const owned_context stop = signal_context(SIGUSR1);
      send(SIGUSR1);
      co_await stop.done();
      CHECK(stop.cause() == cause_of(SIGUSR1));
    });
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  TEST_CASE("signal_context: a system call that it interrupts is taken up again") {
    const owned_context stop = signal_context(SIGUSR1);
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    char byte = 0;
    const pthread_t reader = ::pthread_self();
    std::thread other([&] {
      ::pthread_kill(reader, SIGUSR1);
      while (!stop.err())
        std::this_thread::yield();
      static_cast<void>(!::write(ends[1], "x", 1));
    });
    CHECK(::read(ends[0], &byte, 1) == 1);
    other.join();
    ::close(ends[0]);
    ::close(ends[1]);
  }

  TEST_CASE(
      "signal_context: a child of fork forgets it, and the parent does not hear of the child's") {
    run({.workers = 2}, []() -> task<> {
      const disposition former(SIGUSR2, SIG_IGN);
      const owned_context stop = signal_context(SIGUSR1, SIGUSR2);
      const pid_t pid = ::fork();
      if (pid == 0) {
        if (!is_default(SIGUSR1) || handler_of(SIGUSR2) != SIG_IGN) ::_exit(1);
#if !defined(SLUICE_TSAN)  // under which the child of many threads may start none
        {
          const owned_context again = signal_context(SIGHUP);
          if (is_default(SIGHUP)) ::_exit(2);
        }
        if (!is_default(SIGHUP)) ::_exit(3);
#endif
        sigset_t none;
        ::sigemptyset(&none);
        ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
        ::raise(SIGUSR1);
        ::_exit(4);
      }
      int status = 0;
      ::waitpid(pid, &status, 0);
      CHECK(WIFSIGNALED(status));
      CHECK(WTERMSIG(status) == SIGUSR1);
      CHECK_FALSE(stop.err());
      CHECK_FALSE(is_default(SIGUSR1));
      send(SIGUSR2);
      co_await stop.done();
      CHECK(stop.cause() == cause_of(SIGUSR2));
    });
  }

  TEST_CASE(
      "signal_context: the thread is there while somebody waits for a signal, and one for all") {
    for (int i = 0; i < 20; ++i) {
      until_no_signal_thread();
      std::optional<owned_context> first(signal_context(SIGUSR1));
      const owned_context second = signal_context(SIGUSR2);
      CHECK(signal_threads() == 1);
      first.reset();
      CHECK(signal_threads() == 1);
    }
    until_no_signal_thread();
    run({.workers = 2}, []() -> task<> {
      auto r = co_await with_context(signal_context(SIGUSR1), []() -> task<> { co_return; });
      CHECK(r.has_value());
      CHECK(signal_threads() == 1);
    });
    CHECK(signal_threads() == 0);
  }

  TEST_CASE("signal_context: an executor by itself catches no signal") {
    until_no_signal_thread();
    const auto before = all_handlers();
    executor ex({.workers = 2});
    ex.go(yield_once).get();
    CHECK((all_handlers() == before));
    CHECK(signal_threads() == 0);
  }
}
