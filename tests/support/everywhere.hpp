// SPDX-License-Identifier: MIT
// Runs one body of a test where sluice runs: in bubbles of several seeds, and on real executors with
// one, two and four workers. Checks in the body count wherever it runs.
#pragma once

#include <sluice/dump.hpp>
#include <sluice/error.hpp>
#include <sluice/go.hpp>
#include <sluice/routine.hpp>
#include <sluice/runtime.hpp>
#include <sluice/task.hpp>
#include <sluice/testing/bubble.hpp>

#include <algorithm>
#include <cstdint>
#include <utility>

#include <doctest/doctest.h>

namespace sluice_test {

/// f: a copyable callable that returns task<>.
template <class F>
void in_bubbles(F f, std::uint64_t seeds = 16) {
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    CAPTURE(seed);
    sluice::testing::bubble(f, {.seed = seed, .workers = 1 + static_cast<int>(seed % 4)});
  }
}

template <class F>
void on_executors(F f) {
  for (const int workers : {1, 2, 4}) {
    CAPTURE(workers);
    sluice::run({.workers = workers}, f);
  }
}

template <class F>
void everywhere(F f) {
  in_bubbles(f);
  on_executors(f);
}

/// Waits for a routine that was asked to stop. Returns: whether it did.
inline sluice::task<bool> was_stopped(sluice::join_handle<> h) {
  try {
    co_await std::move(h);
  } catch (const sluice::stopped_error&) {
    co_return true;
  }
  co_return false;
}

/// Returns once the routine waits (yielding does not count) or has ended, without a clock.
inline sluice::task<> until_waiting(std::uint64_t id) {
  for (;;) {
    bool busy = false;
    for (const sluice::routine_info& r : sluice::routines()) {
      if (r.id == id) {
        busy = r.state != sluice::routine_state::waiting && r.state != sluice::routine_state::done;
      }
    }
    if (!busy) break;
    co_await sluice::yield();
  }
}

}  // namespace sluice_test
