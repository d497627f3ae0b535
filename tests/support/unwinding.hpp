// SPDX-License-Identifier: MIT
// What the tests of stopping watch: in which order, how often and in what state destructors run.
#pragma once

#include <sluice/error.hpp>
#include <sluice/go.hpp>
#include <sluice/task.hpp>

#include "support/counted.hpp"

#include <atomic>
#include <cstdint>
#include <exception>
#include <utility>
#include <vector>

namespace sluice_test {

/// One destructor that ran.
struct exit_note {
  int what;
  bool failing;  // std::uncaught_exceptions() had risen since the constructor
};
using exit_log = std::vector<exit_note>;

/// Notes in the log when it is destroyed.
class witness {
 public:
  witness(exit_log& log, int what) noexcept
      : log_(&log), what_(what), uncaught_(std::uncaught_exceptions()) {}
  witness(const witness&) = delete;
  witness& operator=(const witness&) = delete;
  ~witness() {
    alive_.value();  // dead already: counted as broken
    log_->push_back({what_, std::uncaught_exceptions() == uncaught_ + 1});
  }

 private:
  exit_log* log_;
  int what_;
  int uncaught_;
  counted alive_;
};

/// Frames that are left, of routines on several workers at a time.
struct exits {
  std::atomic<int> all{0};
  std::atomic<int> unwound{0};  // with std::uncaught_exceptions() risen
};
class leaves {
 public:
  explicit leaves(exits* e) noexcept : e_(e), uncaught_(std::uncaught_exceptions()) {}
  leaves(const leaves&) = delete;
  leaves& operator=(const leaves&) = delete;
  ~leaves() {
    if (std::uncaught_exceptions() == uncaught_ + 1) ++e_->unwound;
    ++e_->all;
  }

 private:
  exits* e_;
  int uncaught_;
};

/// Whether the log says: 0, 1, ..., n - 1, each while unwinding.
inline bool unwound_in_order(const exit_log& log, int n) {
  if (log.size() != static_cast<std::size_t>(n)) return false;
  for (int i = 0; i < n; ++i) {
    if (log[static_cast<std::size_t>(i)].what != i || !log[static_cast<std::size_t>(i)].failing) {
      return false;
    }
  }
  return true;
}

/// Joins. Returns: whether the routine ended stopped.
template <class T>
sluice::task<bool> ends_stopped(sluice::join_handle<T> h) {
  bool stopped = false;
  try {
    static_cast<void>(co_await std::move(h));
  } catch (const sluice::stopped_error&) {
    stopped = true;
  }
  co_return stopped;
}
template <>
inline sluice::task<bool> ends_stopped<void>(sluice::join_handle<void> h) {
  bool stopped = false;
  try {
    co_await std::move(h);
  } catch (const sluice::stopped_error&) {
    stopped = true;
  }
  co_return stopped;
}

/// Where the native stack stands.
[[gnu::noinline]] inline std::uintptr_t stack_now() noexcept {
  return reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
}

/// The lowest and the highest place seen.
class stack_range {
 public:
  void note() noexcept {
    const std::uintptr_t at = stack_now();
    if (low_ == 0 || at < low_) low_ = at;
    if (at > high_) high_ = at;
  }
  std::uintptr_t bytes() const noexcept { return high_ - low_; }

 private:
  std::uintptr_t low_ = 0;
  std::uintptr_t high_ = 0;
};

}  // namespace sluice_test
