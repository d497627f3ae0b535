// SPDX-License-Identifier: MIT
// Runs a program to its end: what it printed, how it exited, how much memory it took at most.
#pragma once

#include <cerrno>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace sluice_test {

struct ended {
  int code = -1;         // exit code; 128 + signal; 127: it could not be run
  std::string out, err;  // descriptors 1 and 2
  long peak = 0;         // KiB resident

  bool said(std::string_view words) const { return err.find(words) != err.npos; }
};

struct program {
  std::vector<std::string> arguments;  // of the program, its path first
  std::string input = "/dev/null";
  std::vector<std::string> environment = {};  // NAME=VALUE beside the test's own
  bool (*prepare)() = nullptr;                // in the child, before it starts; false: exit 126
};

inline constexpr int exit_unprepared = 126;

namespace program_detail {

/// A file without a name that takes what the child prints.
inline int open_sink() {
  char name[] = "/tmp/sluice-out-XXXXXX";
  const int fd = ::mkostemp(name, O_CLOEXEC);
  if (fd < 0) throw std::runtime_error("mkostemp failed");
  ::unlink(name);
  return fd;
}
inline std::string take(int fd) {
  std::string text;
  char part[4096];
  ::lseek(fd, 0, SEEK_SET);
  for (ssize_t n; (n = ::read(fd, part, sizeof part)) > 0;) {
    text.append(part, static_cast<std::size_t>(n));
  }
  ::close(fd);
  return text;
}

[[noreturn]] inline void become(const program& p, int out, int err) {
  const int in = ::open(p.input.c_str(), O_RDONLY);
  ::dup2(in, 0);
  ::dup2(out, 1);
  ::dup2(err, 2);
  ::close(in);
  for (const std::string& e : p.environment) {
    ::setenv(e.substr(0, e.find('=')).c_str(), e.substr(e.find('=') + 1).c_str(), 1);
  }
  if (p.prepare != nullptr && !p.prepare()) ::_exit(exit_unprepared);
  std::vector<char*> argv;
  for (const std::string& a : p.arguments)
    argv.push_back(const_cast<char*>(a.c_str()));
  argv.push_back(nullptr);
  ::execvp(argv[0], argv.data());
  ::_exit(127);
}

}  // namespace program_detail

/// The calling process must have one thread, and `meanwhile` leaves it so.
template <class F>
ended run_program(const program& p, F meanwhile) {
  const int out = program_detail::open_sink();
  const int err = program_detail::open_sink();
  const pid_t pid = ::fork();
  if (pid == 0) program_detail::become(p, out, err);
  meanwhile(pid);
  int status = 0;
  rusage used{};
  while (::wait4(pid, &status, 0, &used) < 0 && errno == EINTR) {
  }
  ended e;
  e.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  e.out = program_detail::take(out);
  e.err = program_detail::take(err);
  e.peak = used.ru_maxrss;
  return e;
}

inline ended run_program(const program& p) {
  return run_program(p, [](pid_t /*child*/) {});
}

/// A line of the shell, in the C locale.
inline std::string shell(const std::string& line) {
  return run_program({{"sh", "-c", line}, "/dev/null", {"LC_ALL=C"}}).out;
}

}  // namespace sluice_test
