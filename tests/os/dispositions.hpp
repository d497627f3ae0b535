// SPDX-License-Identifier: MIT
// What the process does about signals: read, set, and the threads that sluice has for them.
#pragma once

#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <signal.h>
#include <unistd.h>

namespace sluice_test {

using handler = void (*)(int);

inline handler handler_of(int signal) {
  struct sigaction is{};
  ::sigaction(signal, nullptr, &is);
  return is.sa_handler;
}
inline bool has(int signal, handler h) {
  return handler_of(signal) == h;
}
inline bool is_default(int signal) {
  return has(signal, SIG_DFL);
}

inline std::atomic<int> heard{0};
inline void hear(int /*signal*/) {
  heard.fetch_add(1);
}
inline void hear_otherwise(int /*signal*/) {}

/// Of all signals.
inline std::vector<handler> all_handlers() {
  std::vector<handler> all;
  for (int s = 1; s <= SIGRTMAX; ++s)
    all.push_back(handler_of(s));
  return all;
}

/// Sets one while it lives.
class disposition {
 public:
  disposition(int signal, handler h) : signal_(signal) {
    struct sigaction a{};
    a.sa_handler = h;
    ::sigaction(signal, &a, &before_);
  }
  disposition(const disposition&) = delete;
  disposition& operator=(const disposition&) = delete;
  ~disposition() { ::sigaction(signal_, &before_, nullptr); }

 private:
  int signal_;
  struct sigaction before_{};
};

/// Sends it to the process: a worker blocks it, so that raise(3) would send it to nobody.
inline void send(int signal) {
  ::kill(::getpid(), signal);
}

inline int signal_threads() {
  int n = 0;
  std::error_code gone;
  for (const auto& t : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream name(t.path() / "comm");
    std::string is;
    std::getline(name, is);
    n += is == "sluice-signals";
  }
  return n;
}

/// One that nobody needs any more leaves by itself.
inline void until_no_signal_thread() {
  while (signal_threads() != 0)
    std::this_thread::yield();
}

}  // namespace sluice_test
