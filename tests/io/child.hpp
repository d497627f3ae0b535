// SPDX-License-Identifier: MIT
// Runs a function in a forked child: for what ends a process, or changes it for good (limits, user,
// system call filters). The calling process should have one thread.
#pragma once

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>

#include <sys/wait.h>
#include <unistd.h>

namespace sluice_test {

struct child_end {
  int status = 0;    // as of waitpid(2)
  std::string text;  // what it wrote to descriptors 1 and 2

  bool exited_with(int code) const { return WIFEXITED(status) && WEXITSTATUS(status) == code; }
  bool aborted() const { return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT; }
  bool said(const char* words) const { return text.find(words) != std::string::npos; }
};

/// f() returns the child's exit code; what it throws is printed, and ends the child with 99.
template <class F>
child_end in_child(F f) {
  int out[2];
  if (::pipe(out) != 0) std::abort();
  std::fflush(nullptr);
  const pid_t pid = ::fork();
  if (pid == 0) {
    std::signal(SIGABRT, SIG_DFL);  // not the reporter of the test framework
    ::dup2(out[1], 1);
    ::dup2(out[1], 2);
    ::close(out[0]);
    ::close(out[1]);
    int code = 99;
    try {
      code = f();
    } catch (const std::exception& e) {
      std::fprintf(stderr, "%s\n", e.what());
    }
    std::fflush(nullptr);
    ::_exit(code);
  }
  ::close(out[1]);
  child_end end;
  char buffer[512];
  for (ssize_t n = 0; (n = ::read(out[0], buffer, sizeof buffer)) != 0;) {
    if (n > 0) end.text.append(buffer, static_cast<std::size_t>(n));
  }
  ::close(out[0]);
  while (::waitpid(pid, &end.status, 0) < 0 && errno == EINTR) {
  }
  return end;
}

}  // namespace sluice_test
