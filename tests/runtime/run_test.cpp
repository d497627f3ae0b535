// SPDX-License-Identifier: MIT
// run: what it returns, throws, stops and names; which backend an executor gets, and why.
#include <sluice/blocking.hpp>
#include <sluice/chan.hpp>
#include <sluice/error.hpp>
#include <sluice/go.hpp>
#include <sluice/routine.hpp>
#include <sluice/runtime.hpp>
#include <sluice/time.hpp>

#include "io/child.hpp"
#include "support/counted.hpp"
#include "support/deny_syscalls.hpp"
#include "support/skip.hpp"
#include "support/unwinding.hpp"

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <semaphore>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include <doctest/doctest.h>

#include <sys/syscall.h>

using namespace sluice;
using namespace sluice_test;

namespace {

std::string logged;  // by the executors of one case, one at a time
void keep_line(std::string_view line) {
  logged += line;
  logged += '\n';
}
bool says(const char* words) {
  return logged.find(words) != std::string::npos;
}

task<int> add(int a, int b) {
  co_await yield();
  co_return a + b;
}

/// Sets a variable of the environment while it lives; null: it is not there.
class variable {
 public:
  variable(const char* name, const char* value) : name_(name) {
    if (const char* old = std::getenv(name)) before_ = std::make_unique<std::string>(old);
    set(value);
  }
  variable(const variable&) = delete;
  variable& operator=(const variable&) = delete;
  ~variable() { set(before_ ? before_->c_str() : nullptr); }

 private:
  void set(const char* value) {
    if (value != nullptr) {
      ::setenv(name_, value, 1);
    } else {
      ::unsetenv(name_);
    }
  }

  const char* name_;
  std::unique_ptr<std::string> before_;
};

/// Sets SLUICE_BACKEND while it lives.
struct backend_variable : variable {
  explicit backend_variable(const char* value) : variable("SLUICE_BACKEND", value) {}
};

}  // namespace

TEST_SUITE("runtime/run") {
  TEST_CASE("run: returns what the main routine returns, 0 for nothing") {
    CHECK(run(add, 1, 2) == 3);
    CHECK(run({.workers = 1}, []() -> task<> { co_await yield(); }) == 0);
    CHECK(run({.workers = 2}, [] { return std::string("plain"); }) == "plain");
    CHECK(*run([]() -> task<std::unique_ptr<int>> { co_return std::make_unique<int>(4); }) == 4);
  }

  TEST_CASE("run: rethrows what the main routine throws, and stops the others all the same") {
    counted::reset();
    const auto failing = []() -> task<> {
      go([]() -> task<> {
        counted c(1);
        static_cast<void>(co_await chan<int>().recv());
      });
      co_await yield();
      throw std::runtime_error("main failed");
    };
    CHECK_THROWS_WITH_AS(run({.workers = 2}, failing), "main failed", const std::runtime_error&);
    CHECK(counted::balanced());
  }

  TEST_CASE("run: what is left when the main routine ends is stopped, wherever it stands") {
    counted::reset();
    for (int round = 0; round < 20; ++round) {
      run({.workers = 1 + round % 4}, []() -> task<> {
        chan<int> c(0);
        for (int i = 0; i < 30; ++i) {
          go(
              [](chan<int> in, int kind) -> task<> {
                counted held(kind);
                switch (kind % 4) {
                  case 0:
                    static_cast<void>(co_await in.recv());
                    break;
                  case 1:
                    co_await sleep_for(std::chrono::hours(5));
                    break;
                  case 2:
                    for (;;)
                      co_await yield();
                  default:
                    static_cast<void>(co_await chan<int>().recv());
                    break;
                }
              },
              c, i);
        }
        co_await yield();
      });
      CHECK(counted::balanced());
    }
  }

  TEST_CASE("run: the main routine is named main") {
    const std::string name = run([] { return std::string(this_routine::name()); });
    CHECK(name == "main");
  }

  TEST_CASE("run: runs can be nested in threads of blocking calls, and follow each other") {
    const int sum = run({.workers = 1}, []() -> task<int> {
      auto inner = [] { return run({.workers = 1}, add, 20, 1); };
      co_return co_await blocking(inner) * 2;
    });
    CHECK(sum == 42);
  }

  TEST_CASE("run: a routine that does not stop is named, with what it does, and left behind") {
    const child_end end = in_child([] {
      static std::binary_semaphore never{0};
      static std::binary_semaphore begun{0};
      const int code =
          run({.workers = 2, .shutdown_grace = std::chrono::milliseconds(20)}, []() -> task<int> {
            go([]() -> task<> {
              this_routine::set_name("stuck");
              auto call = [] {
                begun.release();
                never.acquire();
              };
              co_await blocking(call);
            });
            auto wait = [] { begun.acquire(); };
            co_await blocking(wait);
            co_return 7;
          });
      return code;
    });
    CHECK(end.exited_with(7));
    CHECK(end.said(
        "sluice: warning: 1 routines have not ended 0.02 s after they were asked to stop"));
    CHECK(end.said("stuck, started at "));
    CHECK(end.said("run_test.cpp:"));
    CHECK(end.said(": blocking\n"));
  }

  TEST_CASE("run: warnings go to the log hook") {
    logged.clear();
    std::binary_semaphore let_go{0};
    {
      executor ex({.workers = 1, .shutdown_grace = std::chrono::seconds(1), .log = keep_line});
      std::binary_semaphore begun{0};
      static_cast<void>(ex.go(
          [](std::binary_semaphore* b, std::binary_semaphore* l) -> task<> {
            auto call = [b, l] {
              b->release();
              l->acquire();
            };
            co_await blocking(call);
          },
          &begun, &let_go));
      begun.acquire();
      CHECK_FALSE(ex.shutdown(std::chrono::milliseconds(1)).empty());
      let_go.release();
    }
    CHECK_FALSE(says("fatal"));
  }

  TEST_CASE("executor: its destructor names those that have not ended, and waits on") {
    logged.clear();
    static std::binary_semaphore let_go{0};
    std::binary_semaphore begun{0};
    {
      executor ex({.workers = 1,
                   .shutdown_grace = std::chrono::milliseconds(1),  // a second is the least
                   .log = [](std::string_view line) {
                     keep_line(line);
                     if (line.ends_with(": blocking")) let_go.release();
                   }});
      static_cast<void>(ex.go(
          [](std::binary_semaphore* b) -> task<> {
            auto call = [b] {
              b->release();
              let_go.acquire();
            };
            co_await blocking(call);
          },
          &begun));
      begun.acquire();
    }
    CHECK(says("sluice: warning: 1 routines have not ended 1 s after they were asked to stop\n"));
    CHECK(says("run_test.cpp:"));
  }

  TEST_CASE("executor: the backend is the environment's, then the option's; a wrong name throws") {
    {
      const backend_variable v("epoll");
      executor ex({.workers = 1, .backend = backend::io_uring});
      CHECK(ex.info().backend == backend::epoll);
      CHECK(ex.info().reason == "asked for by SLUICE_BACKEND");
    }
    const backend_variable none(nullptr);
    {
      executor ex({.workers = 1, .backend = backend::epoll});
      CHECK(ex.info().backend == backend::epoll);
      CHECK(ex.info().reason == "asked for");
      auto h = ex.go(add, 2, 3);
      CHECK(std::move(h).get() == 5);
    }
    const backend_variable wrong("kqueue");
    CHECK_THROWS_WITH_AS(executor({.workers = 1}),
                         "SLUICE_BACKEND=kqueue: not a backend; auto, io_uring or epoll",
                         const std::invalid_argument&);
  }

  TEST_CASE("executor: on valgrind automatic is epoll and says so") {
    const backend_variable none(nullptr);
    const variable preloaded("LD_PRELOAD", "/usr/libexec/valgrind/vgpreload_core-amd64-linux.so");
    logged.clear();
    executor ex({.workers = 1, .log = keep_line});
    CHECK(ex.info().backend == backend::epoll);
    CHECK(says("sluice: warning: io_uring is not available (valgrind "));
  }

  TEST_CASE(
      "executor: where io_uring is forbidden, automatic falls back and says so, strict throws") {
    const backend_variable none(nullptr);
    for (const int error : {EPERM, ENOSYS}) {
      logged.clear();
      bool strict = false;
      std::string why;
      backend got = backend::automatic;
      int sum = 0;
      const bool could = run_denied({{SYS_io_uring_setup, error}}, [&] {
        executor ex({.workers = 2, .log = keep_line});
        got = ex.info().backend;
        auto h = ex.go(add, 4, 5);
        sum = std::move(h).get();
        try {
          executor never({.workers = 1, .backend = backend::io_uring});
        } catch (const std::system_error& e) {
          strict = e.code().value() == error;
          why = e.what();
        }
      });
      if (!could) return skip("system calls cannot be filtered");
      CHECK(got == backend::epoll);
      CHECK(sum == 9);
      CHECK(says("sluice: warning: io_uring is not available ("));
      CHECK(says("): using epoll\n"));
      CHECK(strict);
      CHECK(why.find("io_uring") != std::string::npos);
    }
  }

  TEST_CASE("executor: want of descriptors is an error, not a reason to fall back") {
    const backend_variable none(nullptr);
    int error = 0;
    const bool could = run_denied({{SYS_io_uring_setup, EMFILE}}, [&] {
      try {
        executor never({.workers = 1});
      } catch (const std::system_error& e) {
        error = e.code().value();
      }
    });
    if (!could) return skip("system calls cannot be filtered");
    CHECK(error == EMFILE);
  }
}
