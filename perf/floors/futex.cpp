// SPDX-License-Identifier: MIT
// Two threads that block in futex(2): what any wake-up of a thread that sleeps must cost.
#include "floors/floors.hpp"

#include <atomic>
#include <chrono>
#include <thread>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace perf {

namespace {

/// A word that one thread sets and another waits for.
class signal_word {
 public:
  void set(std::uint32_t v) noexcept {
    word_.store(v, std::memory_order_release);  // release: pairs with wait()
    ::syscall(SYS_futex, &word_, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
  }
  /// Waits until it is `v`, having been `v` - 1.
  void wait(std::uint32_t v) noexcept {
    while (word_.load(std::memory_order_acquire) != v) {  // acquire: pairs with set()
      ::syscall(SYS_futex, &word_, FUTEX_WAIT_PRIVATE, v - 1, nullptr, nullptr, 0);
    }
  }

 private:
  std::atomic<std::uint32_t> word_{0};
};

void ping_pong(meter& m, int workers, std::uint64_t n) {
  if (workers != 2) return m.skip();
  signal_word there;
  signal_word back;
  std::thread partner([&] {
    for (std::uint32_t i = 1; i <= n; ++i) {
      there.wait(i);
      back.set(i);
    }
  });
  m.start();
  for (std::uint32_t i = 1; i <= n; ++i) {
    there.set(i);
    back.wait(i);
  }
  m.stop();
  partner.join();
}

/// One way, to a thread that sleeps on a CPU that has halted.
void wake_parked(meter& m, int, std::uint64_t n) {
  signal_word there;
  std::atomic<std::uint64_t> sent{0};
  std::atomic<std::uint64_t> took{0};
  std::thread partner([&] {
    for (std::uint32_t i = 1; i <= n; ++i) {
      there.wait(i);
      // relaxed: published by `there`; release: pairs with the sender's acquire
      took.store(now_ns() - sent.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    }
  });
  std::uint64_t sum = 0;
  for (std::uint32_t i = 1; i <= n; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    sent.store(now_ns(), std::memory_order_relaxed);  // relaxed: published by `there`
    there.set(i);
    std::uint64_t ns = 0;
    // acquire, relaxed: see above; nobody else writes meanwhile
    while ((ns = took.load(std::memory_order_acquire)) == 0)
      __builtin_ia32_pause();
    took.store(0, std::memory_order_relaxed);
    sum += ns;
  }
  partner.join();
  m.set_elapsed(sum);
}

constexpr served_row served[] = {
    {"ping_pong", ping_pong},
    {"wake_parked", wake_parked},
};

}  // namespace

std::span<const served_row> futex_rows() {
  return served;
}

}  // namespace perf
