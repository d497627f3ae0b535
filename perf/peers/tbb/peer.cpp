// SPDX-License-Identifier: MIT
// The rows of sluice's benchmark on oneTBB: its tasks have a counterpart of spawning only.
#include "harness/peer.hpp"

#include <cstdint>
#include <vector>

#include <oneapi/tbb/global_control.h>
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

constexpr perf::served_row served[] = {{"spawn_one", spawn_one}, {"spawn_batch", spawn_batch}};

}  // namespace

int main() {
  return perf::serve(served);
}
