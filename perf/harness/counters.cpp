// SPDX-License-Identifier: MIT
// What is counted beside the time: calls of operator new (replaced in this program only), the
// executors' system calls and wake-ups, and instructions where perf_event_open is permitted.
#include <sluice/stats.hpp>

#include "harness/bench.hpp"

#include <atomic>
#include <cstdlib>
#include <new>

#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace {

std::atomic<std::uint64_t> allocations{0};

void* counted(std::size_t size, std::size_t align) {
  allocations.fetch_add(1, std::memory_order_relaxed);  // relaxed: a figure
  if (size == 0) size = 1;
  void* p = align <= alignof(std::max_align_t)
                ? std::malloc(size)
                : std::aligned_alloc(align, (size + align - 1) / align * align);
  if (p == nullptr) throw std::bad_alloc();
  return p;
}

/// Counts the instructions of this process, of threads it starts later too. Returns: -1 if the
/// system does not permit it or has no such counter.
int open_instruction_counter() {
  perf_event_attr a{};
  a.size = sizeof(a);
  a.type = PERF_TYPE_HARDWARE;
  a.config = PERF_COUNT_HW_INSTRUCTIONS;
  a.inherit = 1;
  a.exclude_kernel = 1;
  a.exclude_hv = 1;
  return static_cast<int>(::syscall(SYS_perf_event_open, &a, 0, -1, -1, 0));
}

std::uint64_t instructions() {
  static const int fd = open_instruction_counter();
  std::uint64_t n = 0;
  if (fd < 0 || ::read(fd, &n, sizeof n) != sizeof n) return 0;
  return n;
}

// Opened before main, so that each thread inherits it.
[[maybe_unused]] const std::uint64_t opened = instructions();

}  // namespace

void* operator new(std::size_t size) {
  return counted(size, 0);
}
void* operator new[](std::size_t size) {
  return counted(size, 0);
}
void* operator new(std::size_t size, std::align_val_t align) {
  return counted(size, static_cast<std::size_t>(align));
}
void* operator new[](std::size_t size, std::align_val_t align) {
  return counted(size, static_cast<std::size_t>(align));
}
void operator delete(void* p) noexcept {
  std::free(p);
}
void operator delete[](void* p) noexcept {
  std::free(p);
}
void operator delete(void* p, std::size_t) noexcept {
  std::free(p);
}
void operator delete[](void* p, std::size_t) noexcept {
  std::free(p);
}
void operator delete(void* p, std::align_val_t) noexcept {
  std::free(p);
}
void operator delete[](void* p, std::align_val_t) noexcept {
  std::free(p);
}
void operator delete(void* p, std::size_t, std::align_val_t) noexcept {
  std::free(p);
}
void operator delete[](void* p, std::size_t, std::align_val_t) noexcept {
  std::free(p);
}

namespace perf {

void sample_counts(counts& c, bool first) {
  // What taking the statistics costs itself stays outside: first they, then the rest, and back.
  const auto of_executors = [&c] {
    const sluice::worker_stats total = sluice::stats().total;
    c.syscalls = total.syscalls;
    c.wakeups = total.wakes + total.parks;
  };
  if (first) of_executors();
  c.allocs = allocations.load(std::memory_order_relaxed);  // relaxed: a figure
  c.instructions = instructions();
  if (!first) of_executors();
}

}  // namespace perf
