// SPDX-License-Identifier: MIT
#include "harness/participant.hpp"

#include <cerrno>
#include <cstring>
#include <sstream>
#include <utility>

#include <fmt/format.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace perf {

namespace {

constexpr int patience_ms = 180'000;  // for one round; a process that hangs is ended

void close_once(int& fd) noexcept {
  if (fd >= 0) ::close(std::exchange(fd, -1));
}

}  // namespace

participant::participant(std::string name, std::vector<std::string> command)
    : who_(std::move(name)), command_(std::move(command)) {}

participant::participant(participant&& o) noexcept
    : who_(std::move(o.who_)),
      command_(std::move(o.command_)),
      rows_(std::move(o.rows_)),
      pid_(std::exchange(o.pid_, -1)),
      to_(std::exchange(o.to_, -1)),
      from_(std::exchange(o.from_, -1)) {}

participant::~participant() {
  end();
}

bool participant::begin() {
  if (pid_ > 0) return true;
  int in[2];
  int out[2];
  if (::pipe2(in, O_CLOEXEC) != 0) return false;
  if (::pipe2(out, O_CLOEXEC) != 0) {
    ::close(in[0]);
    ::close(in[1]);
    return false;
  }
  std::vector<char*> argv;
  for (std::string& a : command_)
    argv.push_back(a.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  const int failed = ::posix_spawnp(&pid_, argv[0], &actions, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(in[0]);
  ::close(out[1]);
  to_ = in[1];
  from_ = out[0];
  if (failed == 0) return true;
  pid_ = -1;
  end();
  errno = failed;
  return false;
}

void participant::end() noexcept {
  close_once(to_);  // it leaves when its stdin ends
  close_once(from_);
  const pid_t pid = std::exchange(pid_, -1);
  if (pid <= 0) return;
  for (int i = 0; i < 200; ++i) {
    if (::waitpid(pid, nullptr, WNOHANG) != 0) return;
    ::usleep(10'000);
  }
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
}

bool participant::ask(const std::string& line, std::string& reply) {
  if (!begin()) {
    reply = fmt::format("cannot be started: {}", std::strerror(errno));
    return false;
  }
  const std::string text = line + '\n';
  if (::write(to_, text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    reply = "does not listen";
    end();
    return false;
  }
  reply.clear();
  for (;;) {
    pollfd p{from_, POLLIN, 0};
    const int ready = ::poll(&p, 1, patience_ms);
    if (ready < 0 && errno == EINTR) continue;
    char buffer[512];
    const ssize_t got = ready > 0 ? ::read(from_, buffer, sizeof buffer) : 0;
    if (got <= 0) {
      reply = ready > 0 ? "has ended" : "did not answer in time";
      if (ready <= 0) ::kill(pid_, SIGKILL);
      end();
      return false;
    }
    reply.append(buffer, static_cast<std::size_t>(got));
    if (reply.back() != '\n') continue;
    reply.pop_back();
    return true;
  }
}

bool participant::introduce() {
  std::string reply;
  if (!ask("rows", reply)) {
    fmt::print(stderr, "perf: skipping {}: it {}\n", who_, reply);
    return false;
  }
  std::istringstream in(reply);
  for (std::string name; in >> name;)
    rows_.insert(name);
  end();
  return true;
}

answer participant::run(const std::string& row, int workers, std::uint64_t n) {
  answer a;
  std::string reply;
  if (!ask(fmt::format("run {} {} {}", row, workers, n), reply)) {
    a.error = reply;
    return a;
  }
  if (reply == "skip") return a;
  if (reply.compare(0, 6, "error ") == 0) {
    a.error = reply.substr(6);
    return a;
  }
  std::istringstream in(reply);
  std::string name;
  for (double value = 0; in >> name >> value;)
    a.values.emplace(name, value);
  if (a.values.empty()) a.error = "answered: " + reply;
  return a;
}

}  // namespace perf
