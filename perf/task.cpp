// SPDX-License-Identifier: MIT
// What does it cost to call a coroutine: create its frame, await it, destroy it?
#include <sluice/runtime.hpp>
#include <sluice/task.hpp>

#include "harness/bench.hpp"

namespace {

sluice::task<std::uint64_t> callee(std::uint64_t i) {
  co_return i;
}

sluice::task<> call(perf::meter* m, std::uint64_t n) {
  std::uint64_t sum = 0;
  m->start();
  for (std::uint64_t i = 0; i < n; ++i)
    sum += co_await callee(i);
  m->stop();
  perf::keep(sum);
}

sluice::task<std::uint64_t> nested(std::uint64_t depth) {
  if (depth == 0) co_return 1;
  const std::uint64_t below = co_await nested(depth - 1);
  co_return below + 1;
}

sluice::task<> call_deep(perf::meter* m, std::uint64_t n) {
  constexpr std::uint64_t depth = 1000;
  std::uint64_t sum = 0;
  m->start();
  for (std::uint64_t done = 0; done < n; done += depth)
    sum += co_await nested(depth - 1);
  m->stop();
  perf::keep(sum);
}

const perf::registration create{{
    .group = "task",
    .name = "create_await_destroy",
    .workers = {1},
    .run = [](perf::meter& m, int workers,
              std::uint64_t n) { sluice::run({.workers = workers}, call, &m, n); },
    .aims = {{1, 0.57, "raw"}},
}};

const perf::registration deep{{
    .group = "task",
    .name = "await_1000_deep",
    .workers = {1},
    .run = [](perf::meter& m, int workers,
              std::uint64_t n) { sluice::run({.workers = workers}, call_deep, &m, n); },
}};

}  // namespace
