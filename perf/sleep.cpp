// SPDX-License-Identifier: MIT
// What do a million sleepers cost, whose ends are spread over one second: wall time, CPU time, and
// memory, at its highest above what the process had before?
#include <sluice/chan.hpp>
#include <sluice/go.hpp>
#include <sluice/runtime.hpp>
#include <sluice/time.hpp>

#include "harness/bench.hpp"
#include "harness/process.hpp"

#include <atomic>

namespace {

/// Counts down; whoever reaches zero says so.
struct countdown {
  std::atomic<std::uint64_t> left{0};
  sluice::chan<bool> zero{1};
  void done() {
    // acq_rel: the last one has seen all others
    if (left.fetch_sub(1, std::memory_order_acq_rel) == 1) zero.try_send(true);
  }
};

sluice::task<> sleeper(countdown* c, sluice::duration d) {
  co_await sluice::sleep_for(d);
  c->done();
}

sluice::task<> all(perf::meter* m, std::uint64_t n) {
  countdown c;
  c.left.store(n, std::memory_order_relaxed);  // relaxed: published by go
  const perf::process_figures before = perf::figures_of_process();
  for (std::uint64_t i = 0; i < n; ++i) {
    static_cast<void>(
        sluice::go(sleeper, &c, std::chrono::nanoseconds(perf::scatter(i, 1'000'000'000))));
  }
  co_await c.zero.recv();
  const perf::process_figures after = perf::figures_of_process();
  m->set("wall", after.wall - before.wall);
  m->set("cpu", after.cpu - before.cpu);
  m->set("rss", (after.peak_rss - before.rss) / 1e6);
}

const perf::registration sleepers{{
    .group = "sleep",
    .name = "sleepers_1e6",
    .workers = {2},
    .run = [](perf::meter& m, int workers,
              std::uint64_t n) { sluice::run({.workers = workers}, all, &m, n); },
    .n = 1'000'000,
    .fresh = true,
    .figures = {{"wall", "s", {2, 1.2 / 3.6}},
                {"cpu", "s", {2, 1.0 / 5.3}},
                {"rss", "MB", {2, 300.0 / 769}}},
}};

}  // namespace
