// SPDX-License-Identifier: MIT
// What does it cost to let another routine go first? Two routines per worker do nothing else.
#include <sluice/go.hpp>
#include <sluice/routine.hpp>
#include <sluice/runtime.hpp>

#include "harness/bench.hpp"

#include <vector>

namespace {

sluice::task<> yielder(std::uint64_t n) {
  for (std::uint64_t i = 0; i < n; ++i)
    co_await sluice::yield();
}

sluice::task<> all(perf::meter* m, int workers, std::uint64_t n) {
  const auto routines = static_cast<std::uint64_t>(2 * workers);
  std::vector<sluice::join_handle<>> handles(routines);
  m->start();
  for (auto& h : handles)
    h = sluice::go(yielder, n / routines);
  for (auto& h : handles)
    co_await std::move(h);
  m->stop();
}

const perf::registration yield{{
    .group = "yield",
    .name = "yield",
    .run = [](perf::meter& m, int workers,
              std::uint64_t n) { sluice::run({.workers = workers}, all, &m, workers, n); },
}};

}  // namespace
