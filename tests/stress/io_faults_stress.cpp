// SPDX-License-Identifier: MIT
// Files and pipes on real workers that steal, while routines are stopped at any moment: on tiny rings
// that fail, delay and shuffle by seed, on sound ones, and on epoll. Nothing is lost, doubled or left.
//
// A seed that fails is printed; SLUICE_SEED=<seed> runs it alone. Threads are not replayed, the faults
// and the choices of the lanes are: it may take some runs to have the failure again.
#include <sluice/runtime.hpp>

#include "stress/io_lanes.hpp"
#include "support/faulty_rings.hpp"
#include "support/files.hpp"
#include "support/seeds.hpp"
#include "support/skip.hpp"

#include <cerrno>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice_test;

namespace {

struct lane_load {
  int stream_lanes = 4;
  std::size_t stream_bytes = 40'000;
  int store_lanes = 4;
  int store_steps = 120;
  int open_lanes = 3;
  int open_steps = 25;
  int stops = 12;  // times that each lane is stopped
};

/// All lanes beside each other.
task<> run_lanes(std::uint64_t seed, lane_load load, lane_tally* tally, watchdog* dog) {
  const temp_dir dir;
  std::vector<std::unique_ptr<lane>> lanes;
  for (int i = 0; i != load.stream_lanes; ++i)
    lanes.push_back(
        std::make_unique<stream_lane>(seed * 64 + lanes.size(), *tally, *dog, load.stream_bytes));
  for (int i = 0; i != load.store_lanes; ++i)
    lanes.push_back(std::make_unique<store_lane>(seed * 64 + lanes.size(), *tally, *dog,
                                                 dir.path("store" + std::to_string(i)),
                                                 load.store_steps));
  for (int i = 0; i != load.open_lanes; ++i)
    lanes.push_back(std::make_unique<open_lane>(seed * 64 + lanes.size(), *tally, *dog,
                                                dir.path("open" + std::to_string(i)),
                                                load.open_steps));
  std::vector<join_handle<>> all;
  for (const auto& l : lanes)
    all.push_back(go(supervise, l.get(), load.stops, tally));
  for (auto& h : all)
    co_await std::move(h);
}

/// What was seen in all runs together.
struct reach {
  unsigned long stopped = 0, refused = 0, opened = 0, bytes = 0, cancels = 0, steals = 0;
  detail::fault_counts injected;

  void add(const lane_tally& t) {
    stopped += t.stopped.load();
    refused += t.refused.load();
    opened += t.opened.load();
    bytes += t.bytes.load();
  }
  void add(const ring_book& b) {
    cancels += b.cancels.load();
    injected.short_transfers += b.injected.short_transfers;
    injected.errors += b.injected.errors;
    injected.interrupts += b.injected.interrupts;
    injected.refusals += b.injected.refusals;
    injected.prefixes += b.injected.prefixes;
    injected.delays += b.injected.delays;
    injected.reordered += b.injected.reordered;
  }
};

detail::ring_faults all_faults(std::uint64_t seed) {
  detail::ring_faults f;
  f.short_transfers = 250;
  f.errors = 80;
  f.error_codes = {EINTR, EAGAIN, ENOMEM, 512, 516};
  f.native_errors = seed % 3 != 0;
  f.interrupts = 100;
  f.refusals = 100;
  f.prefixes = 300;
  f.delays = 250;
  f.max_delay = 1 + static_cast<unsigned>(seed % 5);
  f.reorder = true;
  return f;
}

void fail_with_faults(std::uint64_t seed, reach& seen) {
  CAPTURE(seed);
  const std::size_t descriptors = open_descriptors();
  counted::reset();
  watchdog dog("lanes on failing rings");
  lane_tally tally;
  {
    const bool tiny = seed % 4 != 0;
    faulty_executor ex({.seed = seed,
                        .workers = 1 + static_cast<int>(seed % 4),
                        .faults = all_faults(seed),
                        .sq_entries = tiny ? 4u : 64u,
                        .cq_entries = tiny ? 8u : 256u,
                        .tries_at_once = seed % 3 == 0});
    ex.run(run_lanes, seed, lane_load{}, &tally, &dog);
    seen.add(ex.end());
    seen.steals += ex.steals();
  }
  seen.add(tally);
  CAPTURE(tally.wrong_at.load());
  CHECK(tally.wrong.load() == 0);
  CHECK(counted::balanced());
  CHECK(open_descriptors() == descriptors);
}

/// What never happens is not tested.
void check(const reach& seen) {
  MESSAGE(seen.bytes, " bytes, ", seen.opened, " opens, ", seen.stopped, " stopped, ", seen.cancels,
          " cancels of operations, ", seen.steals,
          " steals; injected: ", seen.injected.short_transfers, " short, ", seen.injected.errors,
          " errors (", seen.refused, " came through), ", seen.injected.interrupts, " EINTR, ",
          seen.injected.refusals, " refusals, ", seen.injected.delays, " delays, ",
          seen.injected.reordered, " reordered");
  for (const unsigned long n :
       {seen.stopped, seen.refused, seen.opened, seen.cancels, seen.steals,
        seen.injected.short_transfers, seen.injected.errors, seen.injected.interrupts,
        seen.injected.refusals, seen.injected.prefixes, seen.injected.delays,
        seen.injected.reordered})
    CHECK(n > 0);
}

void on_failing_rings(std::uint64_t first, std::uint64_t n) {
  if (!has_io_uring()) return skip("there is no io_uring");
  reach seen;
  for (const std::uint64_t seed : seeds(first, n))
    fail_with_faults(seed, seen);
  if (!replays()) check(seen);
}

}  // namespace

TEST_SUITE("stress/io faults") {
  TEST_CASE("io faults: streams, files and opens survive stops on tiny rings that fail") {
    on_failing_rings(1, 12);
    const std::uint64_t fresh = fresh_seed();
    MESSAGE("fresh seeds from ", fresh);
    if (!replays()) on_failing_rings(fresh, 4);
  }

  TEST_CASE("io faults: many seeds of failing rings [long]") {
    const std::uint64_t fresh = fresh_seed();
    MESSAGE("fresh seeds from ", fresh);
    on_failing_rings(fresh, number_of("SLUICE_FUZZ_PROGRAMS", rounds(1000)));
  }

  TEST_CASE("io faults: the same lanes on sound rings, and on epoll with the blocking pool") {
    for (const auto which : {backend::io_uring, backend::epoll}) {
      if (which == backend::io_uring && !has_io_uring()) continue;
      for (const std::uint64_t seed : seeds(1, 4)) {
        CAPTURE(to_string(which));
        CAPTURE(seed);
        const std::size_t descriptors = open_descriptors();
        counted::reset();
        watchdog dog("lanes");
        lane_tally tally;
        run({.workers = 1 + static_cast<int>(seed % 4), .backend = which, .blocking_threads = 4},
            run_lanes, seed, lane_load{}, &tally, &dog);
        CAPTURE(tally.wrong_at.load());
        CHECK(tally.wrong.load() == 0);
        CHECK(tally.refused.load() == 0);
        CHECK(tally.stopped.load() > 0);
        CHECK(counted::balanced());
        CHECK(open_descriptors() == descriptors);
      }
    }
  }
}
