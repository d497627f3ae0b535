// SPDX-License-Identifier: MIT
// SIGQUIT under run: the dump, the exit that may follow, and whose disposition it is.
#include <sluice/chan.hpp>
#include <sluice/go.hpp>
#include <sluice/os/signal.hpp>
#include <sluice/routine.hpp>
#include <sluice/runtime.hpp>

#include "io/child.hpp"
#include "os/dispositions.hpp"
#include "support/everywhere.hpp"

#include <csignal>
#include <cstdio>
#include <cstring>
#include <string>
#include <thread>

#include <doctest/doctest.h>

#include <unistd.h>

using namespace sluice;
using namespace sluice_test;

namespace {

task<> wait_for_ever() {
  this_routine::set_name("patient");
  static_cast<void>(co_await chan<int>().recv());
}

/// Descriptor 2 of a child that has ended otherwise, to read what it says.
class own_words {
 public:
  own_words() : pipe_{-1, -1} {
    if (::pipe(pipe_) != 0) ::_exit(98);
    kept_ = ::dup(2);
    ::dup2(pipe_[1], 2);
  }
  own_words(const own_words&) = delete;
  own_words& operator=(const own_words&) = delete;
  ~own_words() {
    ::dup2(kept_, 2);
    for (const int fd : {kept_, pipe_[0], pipe_[1]})
      ::close(fd);
  }

  /// Blocks the thread until they have been said.
  void wait_for(const char* words) {
    std::size_t at = 0;
    while ((at = said_.find(words)) == std::string::npos) {
      char part[512];
      const ssize_t n = ::read(pipe_[0], part, sizeof part);
      if (n > 0) said_.append(part, static_cast<std::size_t>(n));
    }
    said_.erase(0, at + std::strlen(words));
  }

 private:
  int pipe_[2];
  int kept_;
  std::string said_;
};

}  // namespace

TEST_SUITE("runtime/quit_dump") {
  TEST_CASE("SIGQUIT: run dumps all routines, though the only worker is stuck, and goes on") {
    const child_end end = in_child([] {
      const disposition quit(SIGQUIT, SIG_DFL);
      return run({.workers = 1}, []() -> task<int> {
        auto h = go(wait_for_ever);
        co_await until_waiting(h.id());
        {
          own_words words;
          for (int i = 0; i < 3; ++i) {
            send(SIGQUIT);
            words.wait_for("sluice: SIGQUIT: all routines:\n");
            words.wait_for("\"main\" [running]");
            words.wait_for("\"patient\" [waiting: chan nil");
          }
        }
        h.cancel();
        co_await yield();
        co_return 5;
      });
    });
    CHECK(end.exited_with(5));
  }

  TEST_CASE("SIGQUIT: with quit_exits the process ends with code 2 behind the dump") {
    const child_end end = in_child([] {
      const disposition quit(SIGQUIT, SIG_DFL);
      return run({.workers = 2, .quit_exits = true}, []() -> task<int> {
        go(wait_for_ever);
        send(SIGQUIT);
        co_await wait_for_ever();
        co_return 5;
      });
    });
    CHECK(end.exited_with(2));
    CHECK(end.said("sluice: SIGQUIT: all routines:\nroutine "));
    CHECK(end.said("started at"));
  }

  TEST_CASE("SIGQUIT: it is run's from its begin to its end; runs may overlap") {
    const disposition quit(SIGQUIT, SIG_DFL);
    CHECK(run({.workers = 2}, []() -> task<int> {
            CHECK_FALSE(is_default(SIGQUIT));
            std::thread([] {
              run({.workers = 1, .quit_exits = true}, []() -> task<> { co_return; });
            }).join();
            CHECK_FALSE(is_default(SIGQUIT));
            co_return 3;
          }) == 3);
    CHECK(is_default(SIGQUIT));
    CHECK(signal_threads() == 0);
    CHECK_THROWS_AS(run([]() -> task<> {
                      CHECK_FALSE(is_default(SIGQUIT));
                      throw 1;
                      co_return;
                    }),
                    int);
    CHECK(is_default(SIGQUIT));
  }

  TEST_CASE("SIGQUIT: a handler of the program, and that it is ignored, stay") {
    for (const handler own : {handler(SIG_IGN), handler(hear)}) {
      heard = 0;
      const disposition quit(SIGQUIT, own);
      run({.workers = 2, .quit_exits = true}, [&]() -> task<> {
        CHECK(has(SIGQUIT, own));
        send(SIGQUIT);
        while (own == hear && heard.load() == 0)
          co_await yield();
      });
      CHECK(has(SIGQUIT, own));
    }
  }

  TEST_CASE("SIGQUIT: run catches no other signal, an executor none") {
    const disposition quit(SIGQUIT, SIG_DFL);
    const auto before = all_handlers();
    {
      executor ex({.workers = 2, .quit_exits = true});
      ex.go([]() -> task<> { co_await yield(); }).get();
      CHECK((all_handlers() == before));
    }
    run([&]() -> task<> {
      auto during = all_handlers();
      during[SIGQUIT - 1] = SIG_DFL;
      CHECK((during == before));
      co_return;
    });
    CHECK((all_handlers() == before));
  }

  TEST_CASE("SIGQUIT: a context that waits for it has the first, the dump the next") {
    const child_end end = in_child([] {
      const disposition quit(SIGQUIT, SIG_DFL);
      return run({.workers = 2, .quit_exits = true}, []() -> task<int> {
        const owned_context stop = signal_context(SIGQUIT);
        send(SIGQUIT);
        co_await stop.done();
        std::fputs("told\n", stderr);
        send(SIGQUIT);
        co_await wait_for_ever();
        co_return 5;
      });
    });
    CHECK(end.exited_with(2));
    CHECK(end.said("told\nsluice: SIGQUIT: all routines:\n"));
  }
}
