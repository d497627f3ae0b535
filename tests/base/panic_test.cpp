// SPDX-License-Identifier: MIT
// Last words, watched from outside: each fatal case runs in a child whose stderr is a pipe.
#include <sluice/detail/base/assert.hpp>
#include <sluice/error.hpp>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <doctest/doctest.h>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

using namespace sluice::detail;

struct outcome {
  std::string words;
  int signal = 0;  // that ended the child; 0 if it exited
};

/// Runs `f` in a child and gives what it wrote to stderr, and how it ended.
template <class F>
outcome in_child(F f) {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  std::fflush(stdout);  // a child that aborts under TSan flushes what it inherited
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    std::signal(SIGABRT, SIG_DFL);  // not the test framework's
    const rlimit no_core{0, 0};
    ::setrlimit(RLIMIT_CORE, &no_core);
    ::dup2(ends[1], STDERR_FILENO);
    f();
    ::_exit(0);
  }
  ::close(ends[1]);
  outcome result;
  char block[512];
  ssize_t n = 0;
  while ((n = ::read(ends[0], block, sizeof block)) > 0) {
    result.words.append(block, static_cast<std::size_t>(n));
  }
  ::close(ends[0]);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  if (WIFSIGNALED(status)) result.signal = WTERMSIG(status);
  return result;
}

void say_dump() noexcept {
  [[maybe_unused]] const ssize_t n = ::write(2, "dump\n", 5);
}
void fail_again() noexcept {
  fatal("dump: failed");
}

}  // namespace

TEST_SUITE("base/panic") {
  TEST_CASE("panic: fatal prints its text and aborts") {
    const outcome o = in_child([] { fatal("mutex: unlock of unlocked mutex"); });
    CHECK(o.words == "sluice: fatal: mutex: unlock of unlocked mutex\n");
    CHECK(o.signal == SIGABRT);
  }

  TEST_CASE("panic: fatal calls the hook after its text") {
    const outcome o = in_child([] {
      set_fatal_hook(&say_dump);
      fatal("worker: I2");
    });
    CHECK(o.words == "sluice: fatal: worker: I2\ndump\n");
    CHECK(o.signal == SIGABRT);
  }

  TEST_CASE("panic: a hook that fails itself ends the process with both texts") {
    const outcome o = in_child([] {
      set_fatal_hook(&fail_again);
      fatal("worker: I2");
    });
    CHECK(o.words == "sluice: fatal: worker: I2\nsluice: fatal: dump: failed\n");
    CHECK(o.signal == SIGABRT);
  }

  TEST_CASE("panic: set_fatal_hook gives the hook before") {
    const fatal_hook before = set_fatal_hook(&say_dump);
    const bool gave_ours = set_fatal_hook(nullptr) == &say_dump;
    const bool gave_none = set_fatal_hook(before) == nullptr;
    CHECK(gave_ours);
    CHECK(gave_none);
  }

  TEST_CASE("panic: an assert that holds does nothing, one that fails is fatal") {
    CHECK(in_child([] { SLUICE_ASSERT(2 > 1, "base: I1"); }).signal == 0);
    const outcome o = in_child([] { SLUICE_ASSERT(1 > 2, "base: I1"); });
    CHECK(o.words == "sluice: fatal: base: I1\n");
    CHECK(o.signal == SIGABRT);
  }

  TEST_CASE("panic: a debug assert evaluates its condition in debug builds only") {
    bool evaluated = false;
    SLUICE_DASSERT((evaluated = true), "base: I2");
#if defined(NDEBUG)
    CHECK(!evaluated);
#else
    CHECK(evaluated);
    CHECK(in_child([] { SLUICE_DASSERT(1 > 2, "base: I2"); }).signal == SIGABRT);
#endif
  }

  TEST_CASE("panic: throw_panic throws what can be caught") {
    CHECK_THROWS_WITH_AS(throw_panic("chan: close of closed channel"),
                         "chan: close of closed channel", sluice::panic_error);
  }
}
