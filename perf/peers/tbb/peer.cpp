// SPDX-License-Identifier: MIT
// The rows of sluice's benchmark on oneTBB: its tasks have a counterpart of spawning and forking only.
#include "harness/peer.hpp"

#include <cstdint>
#include <iterator>
#include <numeric>
#include <vector>

#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_group.h>

namespace {

using perf::meter;

/// Runs f with that many threads, the calling one included.
template <class F>
void with_threads(int workers, F f) {
  const oneapi::tbb::global_control limit(oneapi::tbb::global_control::max_allowed_parallelism,
                                          static_cast<std::size_t>(workers));
  oneapi::tbb::task_arena arena(workers);
  arena.execute(f);
}

void spawn_one(meter& m, int workers, std::uint64_t n) {
  with_threads(workers, [&] {
    std::uint64_t sum = 0;
    m.start();
    for (std::uint64_t i = 0; i < n; ++i) {
      oneapi::tbb::task_group g;
      std::uint64_t result = 0;
      g.run([&result, i] { result = i; });
      g.wait();
      sum += result;
    }
    m.stop();
    perf::keep(sum);
  });
}

void spawn_batch(meter& m, int workers, std::uint64_t n) {
  with_threads(workers, [&] {
    std::vector<std::uint64_t> results(n);
    oneapi::tbb::task_group g;
    std::uint64_t sum = 0;
    m.start();
    for (std::uint64_t i = 0; i < n; ++i) {
      g.run([&results, i] { results[i] = i; });
    }
    g.wait();
    for (const std::uint64_t r : results)
      sum += r;
    m.stop();
    perf::keep(sum);
  });
}

void spawn_range(meter& m, int workers, std::uint64_t n) {
  with_threads(workers, [&] {
    std::vector<std::uint64_t> results(n);
    std::uint64_t sum = 0;
    m.start();
    oneapi::tbb::parallel_for(std::uint64_t{0}, n, [&results](std::uint64_t i) { results[i] = i; });
    for (const std::uint64_t r : results)
      sum += r;
    m.stop();
    perf::keep(sum);
  });
}

std::uint64_t skynet_node(std::uint64_t number, std::uint64_t size) {
  if (size == 1) return number;
  std::uint64_t sums[10];
  oneapi::tbb::task_group g;
  for (std::uint64_t i = 0; i < 10; ++i) {
    g.run([&sums, i, number, size] { sums[i] = skynet_node(number + i * (size / 10), size / 10); });
  }
  g.wait();
  return std::accumulate(std::begin(sums), std::end(sums), std::uint64_t{0});
}

void skynet(meter& m, int workers, std::uint64_t n) {
  with_threads(workers, [&] {
    m.start();
    const std::uint64_t sum = skynet_node(0, n);
    m.stop();
    perf::keep(sum);
  });
}

std::uint64_t fib_of(unsigned n) {
  if (n < 2) return n;
  std::uint64_t a = 0;
  oneapi::tbb::task_group g;
  g.run([&a, n] { a = fib_of(n - 1); });
  const std::uint64_t b = fib_of(n - 2);
  g.wait();
  return a + b;
}

void fib(meter& m, int workers, std::uint64_t n) {
  with_threads(workers, [&] {
    m.start();
    const std::uint64_t result = fib_of(perf::fib_with(n));
    m.stop();
    perf::keep(result);
  });
}

constexpr perf::served_row served[] = {{"spawn_one", spawn_one},
                                       {"spawn_batch", spawn_batch},
                                       {"spawn_range", spawn_range},
                                       {"skynet_1e6", skynet},
                                       {"fib_30", fib}};

}  // namespace

int main() {
  return perf::serve(served);
}
