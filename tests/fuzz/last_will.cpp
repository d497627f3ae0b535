// SPDX-License-Identifier: MIT
#include "fuzz/last_will.hpp"

#include <sluice/config.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstring>

#include <signal.h>
#include <unistd.h>

#if defined(SLUICE_ASAN) || defined(SLUICE_TSAN)
extern "C" void __sanitizer_set_death_callback(void (*callback)());
#endif

namespace sluice_fuzz {

namespace {

constexpr std::array signals{SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTERM, SIGINT};

std::atomic<const char*> running{nullptr};
std::atomic<std::uint64_t> seed{0};
std::array<struct sigaction, signals.size()> before;

/// In a signal handler: system calls only.
void tell() noexcept {
  const char* const what = running.exchange(nullptr);
  if (what == nullptr) return;
  char text[96];
  std::size_t n = 0;
  for (const char* from : {what, ": died; replay with SLUICE_SEED="}) {
    const std::size_t length = std::strlen(from);
    std::memcpy(text + n, from, length);
    n += length;
  }
  char digits[20];
  std::size_t d = 0;
  for (std::uint64_t rest = seed.load(); d == 0 || rest != 0; rest /= 10)
    digits[d++] = static_cast<char>('0' + rest % 10);
  while (d != 0)
    text[n++] = digits[--d];
  text[n++] = '\n';
  static_cast<void>(!::write(STDERR_FILENO, text, n));
}

void on_signal(int number) noexcept {
  tell();
  for (std::size_t i = 0; i != signals.size(); ++i) {
    if (signals[i] == number) ::sigaction(number, &before[i], nullptr);
  }
  ::raise(number);  // to whoever was in charge before
}

}  // namespace

last_will::last_will(const char* what) noexcept {
  running.store(what);
  struct sigaction mine{};
  mine.sa_handler = on_signal;
  for (std::size_t i = 0; i != signals.size(); ++i)
    ::sigaction(signals[i], &mine, &before[i]);
#if defined(SLUICE_ASAN) || defined(SLUICE_TSAN)
  __sanitizer_set_death_callback(tell);
#endif
}

last_will::~last_will() {
  running.store(nullptr);
  for (std::size_t i = 0; i != signals.size(); ++i)
    ::sigaction(signals[i], &before[i], nullptr);
}

void last_will::now_runs(std::uint64_t value) noexcept {
  seed.store(value);
}

}  // namespace sluice_fuzz
