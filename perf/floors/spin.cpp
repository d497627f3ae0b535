// SPDX-License-Identifier: MIT
// Two threads that hand over through shared memory and never block: a word each way, and a ring with
// one producer and one consumer.
#include "floors/floors.hpp"

#include <atomic>
#include <thread>

namespace perf {

namespace {

constexpr std::size_t line_size = 64;

void ping_pong(meter& m, int workers, std::uint64_t n) {
  if (workers != 2) return m.skip();
  struct alignas(line_size) word {
    std::atomic<std::uint64_t> value{0};
  };
  word there;
  word back;
  std::thread partner([&] {
    for (std::uint64_t i = 1; i <= n; ++i) {
      // acquire and release, both ways: what was done before the hand-over is seen behind it
      while (there.value.load(std::memory_order_acquire) != i)
        __builtin_ia32_pause();
      back.value.store(i, std::memory_order_release);
    }
  });
  m.start();
  for (std::uint64_t i = 1; i <= n; ++i) {
    // as above
    there.value.store(i, std::memory_order_release);
    while (back.value.load(std::memory_order_acquire) != i)
      __builtin_ia32_pause();
  }
  m.stop();
  partner.join();
}

/// A ring of 128 that knows the other side's index as it last read it.
class ring {
 public:
  void push(std::uint64_t v) noexcept {
    const std::uint64_t t = tail_.load(std::memory_order_relaxed);  // relaxed: our own
    while (t - head_seen_ == capacity) {
      head_seen_ = head_.load(std::memory_order_acquire);  // acquire: the place was read
      if (t - head_seen_ == capacity) __builtin_ia32_pause();
    }
    slots_[t % capacity] = v;
    tail_.store(t + 1, std::memory_order_release);  // release: the slot is seen
  }
  std::uint64_t pop() noexcept {
    const std::uint64_t h = head_.load(std::memory_order_relaxed);  // relaxed: our own
    while (h == tail_seen_) {
      tail_seen_ = tail_.load(std::memory_order_acquire);  // acquire: the slot was written
      if (h == tail_seen_) __builtin_ia32_pause();
    }
    const std::uint64_t v = slots_[h % capacity];
    head_.store(h + 1, std::memory_order_release);  // release: the slot was read
    return v;
  }

 private:
  static constexpr std::uint64_t capacity = 128;
  alignas(line_size) std::atomic<std::uint64_t> head_{0};
  std::uint64_t tail_seen_ = 0;  // consumer
  alignas(line_size) std::atomic<std::uint64_t> tail_{0};
  std::uint64_t head_seen_ = 0;  // producer
  alignas(line_size) std::uint64_t slots_[capacity] = {};
};

void stream(meter& m, int workers, std::uint64_t n) {
  if (workers != 2) return m.skip();
  ring r;
  std::uint64_t sum = 0;
  m.start();
  std::thread consumer([&] {
    for (std::uint64_t i = 0; i < n; ++i)
      sum += r.pop();
  });
  for (std::uint64_t i = 0; i < n; ++i)
    r.push(i);
  consumer.join();
  m.stop();
  keep(sum);
}

constexpr served_row served[] = {
    {"ping_pong", ping_pong},
    {"cap128_1x1", stream},
    {"wake_spinning", ping_pong},
};

}  // namespace

std::span<const served_row> spin_rows() {
  return served;
}

}  // namespace perf
