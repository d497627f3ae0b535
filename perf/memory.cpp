// SPDX-License-Identifier: MIT
// How many bytes does a parked routine hold, in one channel wait? Counted as resident memory of the
// process, and as the library's own figure; a million of them, in a new process.
#include <sluice/chan.hpp>
#include <sluice/go.hpp>
#include <sluice/runtime.hpp>
#include <sluice/stats.hpp>
#include <sluice/time.hpp>

#include "harness/bench.hpp"
#include "harness/process.hpp"

#include <chrono>

namespace {

sluice::task<> waiter(sluice::chan<std::uint64_t> c) {
  co_await c.recv();
}

double own_figure() {
  const sluice::memory_stats s = sluice::memory();
  return static_cast<double>(s.frame_bytes + s.record_bytes);
}

sluice::task<> park_all(perf::meter* m, std::uint64_t n) {
  const sluice::chan<std::uint64_t> never(0);
  const perf::process_figures before = perf::figures_of_process();
  const double own_before = own_figure();
  for (std::uint64_t i = 0; i < n; ++i)
    static_cast<void>(sluice::go(waiter, never));
  while (sluice::stats().routines.waiting < n)
    co_await sluice::sleep_for(std::chrono::milliseconds(1));
  const perf::process_figures after = perf::figures_of_process();
  m->set("rss", (after.rss - before.rss) / static_cast<double>(n));
  m->set("own", (own_figure() - own_before) / static_cast<double>(n));
  never.close();
}

#if defined(__clang__)
constexpr double most_bytes = 240;
#else
constexpr double most_bytes = 272;
#endif

const perf::registration parked{{
    .group = "memory",
    .name = "parked_routine",
    .workers = {1},
    .run = [](perf::meter& m, int workers,
              std::uint64_t n) { sluice::run({.workers = workers}, park_all, &m, n); },
    .n = 1'000'000,
    .most_rounds = 3,
    .fresh = true,
    .figures = {{"rss", "bytes", {1, most_bytes, ""}}, {"own", "bytes"}},
}};

}  // namespace
