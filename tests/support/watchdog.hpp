// SPDX-License-Identifier: MIT
// Ends a process in which work exists and nothing moves: a lost wake-up shows as silence. Prints the
// routines and the workers' counters first.
#pragma once

#include <sluice/dump.hpp>
#include <sluice/stats.hpp>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <thread>

namespace sluice_test {

class watchdog {
 public:
  /// Work is expected for as long as it lives.
  explicit watchdog(const char* what) : what_(what), thread_([this] { watch(); }) {}
  watchdog(const watchdog&) = delete;
  watchdog& operator=(const watchdog&) = delete;
  ~watchdog() {
    {
      const std::lock_guard lock(mu_);
      over_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  /// Something moved.
  void progress() noexcept { moves_.fetch_add(1, std::memory_order_relaxed); }

 private:
  static constexpr std::chrono::seconds patience{
      30};  // a loaded machine under TSan stalls for less

  void watch() {
    std::unique_lock lock(mu_);
    std::uint64_t seen = moves_.load(std::memory_order_relaxed);
    while (!changed_.wait_for(lock, patience, [this] { return over_; })) {
      const std::uint64_t now = moves_.load(std::memory_order_relaxed);
      if (now == seen) {
        std::fprintf(stderr, "%s: nothing moved for 30 s after %llu steps\n", what_,
                     static_cast<unsigned long long>(now));
        print_counters();
        sluice::dump();
        std::abort();
      }
      seen = now;
    }
  }

  static void print_counters() {
    const sluice::executor_stats s = sluice::stats();
    std::fprintf(stderr, "routines: %zu runnable, %zu running, %zu waiting\n", s.routines.runnable,
                 s.routines.running, s.routines.waiting);
    for (const sluice::worker_stats& w : s.workers) {
      std::fprintf(stderr, "worker: resumed %llu parks %llu wakes %llu spurious %llu steals %llu\n",
                   static_cast<unsigned long long>(w.resumed),
                   static_cast<unsigned long long>(w.parks),
                   static_cast<unsigned long long>(w.wakes),
                   static_cast<unsigned long long>(w.spurious_wakes),
                   static_cast<unsigned long long>(w.steals));
    }
  }

  const char* what_;
  std::atomic<std::uint64_t> moves_{0};
  std::mutex mu_;
  std::condition_variable changed_;
  bool over_ = false;  // guarded by mu_
  std::thread thread_;
};

/// How many rounds of a stress a build does: sanitizers slow each one down.
constexpr int rounds(int n) {
#if defined(SLUICE_TSAN) || defined(SLUICE_ASAN)
  return n / 5 > 0 ? n / 5 : 1;
#else
  return n;
#endif
}

}  // namespace sluice_test
