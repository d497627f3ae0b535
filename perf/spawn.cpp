// SPDX-License-Identifier: MIT
// What does a routine cost: one that is waited for at once, a million that are waited for after the last
// was started, and a million that are started as a range? Memory is warm: the round that is not counted has used as much.
#include <sluice/go.hpp>
#include <sluice/runtime.hpp>
#include <sluice/when_all.hpp>

#include "harness/bench.hpp"

#include <vector>

namespace {

constexpr std::uint64_t million = 1'000'000;

sluice::task<std::uint64_t> child(std::uint64_t i) {
  co_return i;
}

sluice::task<> one_by_one(perf::meter* m, std::uint64_t n) {
  std::uint64_t sum = 0;
  m->start();
  for (std::uint64_t i = 0; i < n; ++i) {
    auto h = sluice::go(child, i);
    sum += co_await std::move(h);
  }
  m->stop();
  perf::keep(sum);
}

sluice::task<> batch(perf::meter* m, std::uint64_t n) {
  std::vector<sluice::join_handle<std::uint64_t>> handles(n);
  std::uint64_t sum = 0;
  m->start();
  for (std::uint64_t i = 0; i < n; ++i)
    handles[i] = sluice::go(child, i);
  for (auto& h : handles)
    sum += co_await std::move(h);
  m->stop();
  perf::keep(sum);
}

sluice::task<> range(perf::meter* m, std::uint64_t n) {
  m->start();
  const std::vector<std::uint64_t> results = co_await sluice::go_range(n, child);
  std::uint64_t sum = 0;
  for (const std::uint64_t r : results)
    sum += r;
  m->stop();
  perf::keep(sum);
}

const perf::registration spawn_one{{
    .group = "spawn",
    .name = "spawn_one",
    .run = [](perf::meter& m, int workers,
              std::uint64_t n) { sluice::run({.workers = workers}, one_by_one, &m, n); },
    .aims = {{2, 53.0 / 359}},
}};

const perf::registration spawn_batch{{
    .group = "spawn",
    .name = "spawn_batch",
    .run = [](perf::meter& m, int workers,
              std::uint64_t n) { sluice::run({.workers = workers}, batch, &m, n); },
    .n = million,
    .aims = {{1, 32.0 / 1004}, {2, 74.0 / 263}},
}};

const perf::registration spawn_range{{
    .group = "spawn",
    .name = "spawn_range",
    .run = [](perf::meter& m, int workers,
              std::uint64_t n) { sluice::run({.workers = workers}, range, &m, n); },
    .n = million,
    .aims = {{1, 32.0 / 1004}, {2, 46.0 / 263}},
}};

}  // namespace
