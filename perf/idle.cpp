// SPDX-License-Identifier: MIT
// What does an executor cost that has nothing to do, while a routine waits for a far deadline?
#include <sluice/runtime.hpp>
#include <sluice/time.hpp>

#include "harness/bench.hpp"
#include "harness/process.hpp"

#include <chrono>
#include <thread>

namespace {

sluice::task<> sleeper() {
  co_await sluice::sleep_for(std::chrono::hours(1));
}

void idle(perf::meter& m, int workers, std::uint64_t seconds) {
  sluice::executor ex({.workers = workers});
  static_cast<void>(ex.go(sleeper));
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  const perf::process_figures before = perf::figures_of_process();
  std::this_thread::sleep_for(std::chrono::seconds(seconds));
  const perf::process_figures after = perf::figures_of_process();
  m.set("cpu", (after.cpu - before.cpu) * 1e6);
  m.set("switches", after.switches - before.switches - 1);  // one is our own sleep
}

const perf::registration idle_10s{{
    .group = "idle",
    .name = "idle_10s",
    .workers = {2},
    .run = idle,
    .n = 10,
    .most_rounds = 1,
    .fresh = true,
    .figures = {{"cpu", "us"}, {"switches", "count"}},
}};

}  // namespace
