// SPDX-License-Identifier: MIT
// What does a call that may run beside another cost: a tree of a million leaves with ten children a
// node (skynet), and the naive recursion of Fibonacci's numbers, where each call but a leaf forks.
#include <sluice/runtime.hpp>
#include <sluice/when_all.hpp>

#include "harness/bench.hpp"

#include <numeric>
#include <vector>

namespace {

sluice::task<std::uint64_t> skynet_node(std::uint64_t number, std::uint64_t size) {
  if (size == 1) co_return number;
  const std::vector<std::uint64_t> sums = co_await sluice::when_all(
      10,
      [number, size](std::size_t i) { return skynet_node(number + i * (size / 10), size / 10); });
  co_return std::accumulate(sums.begin(), sums.end(), std::uint64_t{0});
}

sluice::task<> skynet(perf::meter* m, std::uint64_t leaves) {
  m->start();
  const std::uint64_t sum = co_await skynet_node(0, leaves);
  m->stop();
  perf::keep(sum);
}

sluice::task<std::uint64_t> fib_of(unsigned n) {
  if (n < 2) co_return n;
  const auto [a, b] = co_await sluice::when_all(fib_of(n - 1), fib_of(n - 2));
  co_return a + b;
}

sluice::task<> fib(perf::meter* m, std::uint64_t calls) {
  m->start();
  const std::uint64_t result = co_await fib_of(perf::fib_with(calls));
  m->stop();
  perf::keep(result);
}

const perf::registration when_all_skynet{{
    .group = "when_all",
    .name = "skynet_1e6",
    .unit = "ms",
    .run = [](perf::meter& m, int workers,
              std::uint64_t n) { sluice::run({.workers = workers}, skynet, &m, n); },
    .n = 1'000'000,
    .most_rounds = 5,
    .scale = 1e-6,
    .whole = true,
    .aims = {{2, 10.8 / 608}},
}};

const perf::registration when_all_fib{{
    .group = "when_all",
    .name = "fib_30",
    .run = [](perf::meter& m, int workers,
              std::uint64_t n) { sluice::run({.workers = workers}, fib, &m, n); },
    .n = perf::fib_calls(30),
    .quick_n = perf::fib_calls(25),
    .most_rounds = 5,
    .aims = {{2, 8.8 / 500}},
}};

}  // namespace
