// SPDX-License-Identifier: MIT
// Frames made on one worker and freed on another: memory stays where it was after the first few.
#include <sluice/detail/coro/frame_alloc.hpp>
#include <sluice/go.hpp>
#include <sluice/routine.hpp>
#include <sluice/runtime.hpp>
#include <sluice/stats.hpp>

#include "support/watchdog.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>

#include <doctest/doctest.h>

#include <unistd.h>

using namespace sluice;
using namespace sluice_test;

namespace {

std::size_t resident_bytes() {
  std::FILE* f = std::fopen("/proc/self/statm", "r");
  unsigned long size = 0;
  unsigned long resident = 0;
  const int n = f != nullptr ? std::fscanf(f, "%lu %lu", &size, &resident) : 0;
  if (f != nullptr) std::fclose(f);
  return n == 2 ? resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) : 0;
}

/// Starts `n` routines of the other executor, at most `most` alive at a time.
task<> start_there(executor* there, std::uint64_t n, std::uint64_t most, watchdog* dog) {
  auto ended = std::make_unique<std::atomic<std::uint64_t>>(0);
  for (std::uint64_t i = 0; i < n; ++i) {
    static_cast<void>(there->go(
        [](std::atomic<std::uint64_t>* k) -> task<> {
          k->fetch_add(1, std::memory_order_release);
          co_return;
        },
        ended.get()));
    while (i + 1 - ended->load(std::memory_order_relaxed) > most)
      co_await yield();
    if (i % 1024 == 0) dog->progress();
  }
  while (ended->load(std::memory_order_acquire) != n)
    co_await yield();
}

void free_remotely(std::uint64_t n) {
  watchdog dog("remote free");
  executor here({.workers = 1});
  executor there({.workers = 1});
  const auto some = [&](std::uint64_t k) {
    auto h = here.go(start_there, &there, k, std::uint64_t{4096}, &dog);
    std::move(h).get();
  };
  some(n / 10);
  const detail::frame_stats before = detail::frame_pool_stats();
  const std::size_t records = memory().record_bytes;
  const std::size_t resident = resident_bytes();
  some(n - n / 10);
  const detail::frame_stats after = detail::frame_pool_stats();
  CHECK(after.live_frames <= before.live_frames + 8);
  CHECK(after.slab_bytes <= before.slab_bytes + (4u << 20));
  CHECK(memory().record_bytes <= records + (4u << 20));
  if (after.pooled) CHECK(resident_bytes() <= resident + (16u << 20));
}

}  // namespace

TEST_SUITE("stress/remote_free") {
  TEST_CASE("frames: two million made here and freed there leave memory where it was") {
    free_remotely(static_cast<std::uint64_t>(rounds(2'000'000)));
  }

  TEST_CASE(
      "frames: two hundred million made here and freed there leave memory where it was [long]") {
    free_remotely(static_cast<std::uint64_t>(rounds(200'000'000)));
  }
}
