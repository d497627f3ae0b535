// SPDX-License-Identifier: MIT
// What does a group of routines cost: one that runs a single routine, from its making to its join, and a routine of
// one that runs a hundred thousand? Go's side is x/sync's errgroup in little: a WaitGroup, the first error, a context.
#include <sluice/errgroup.hpp>
#include <sluice/runtime.hpp>

#include "harness/bench.hpp"

namespace {

sluice::task<sluice::result<void>> nothing() {
  co_return {};
}

sluice::task<> groups_of_one(perf::meter* m, std::uint64_t n) {
  const auto body = [](sluice::errgroup& g) -> sluice::task<> {
    g.go(nothing);
    co_return;
  };
  m->start();
  for (std::uint64_t i = 0; i < n; ++i)
    perf::keep((co_await sluice::errgroup::run(body)).has_value());
  m->stop();
}

sluice::task<> group_of_many(perf::meter* m, std::uint64_t n) {
  const auto body = [n](sluice::errgroup& g) -> sluice::task<> {
    for (std::uint64_t i = 0; i < n; ++i)
      g.go(nothing);
    co_return;
  };
  m->start();
  perf::keep((co_await sluice::errgroup::run(body)).has_value());
  m->stop();
}

const perf::registration group_of_1{{
    .group = "errgroup",
    .name = "group_of_1",
    .run = [](perf::meter& m, int workers,
              std::uint64_t n) { sluice::run({.workers = workers}, groups_of_one, &m, n); },
    .aims = {{1, 1}, {2, 1}},
}};

const perf::registration group_go{{
    .group = "errgroup",
    .name = "group_go",
    .run = [](perf::meter& m, int workers,
              std::uint64_t n) { sluice::run({.workers = workers}, group_of_many, &m, n); },
    .n = 100'000,
    .aims = {{1, 1}, {2, 1}},
}};

}  // namespace
