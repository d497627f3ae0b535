// SPDX-License-Identifier: MIT
// A reactor on a ring, driven by the test in a worker's place.
#pragma once

#include "io/test_op.hpp"
#include "io/uring_reactor.hpp"

#include <doctest/doctest.h>

namespace sluice_test {

/// Any time in the past: a poll that does not block.
inline constexpr sluice::time_point at_once{};

struct uring_fixture : sluice::detail::uring_reactor {
  explicit uring_fixture(unsigned sq = 256, unsigned cq = 1024,
                         const sluice::detail::ring_faults* faults = nullptr)
      : uring_reactor(
            {.sq_entries = sq, .cq_entries = cq, .faults = faults, .complete = complete}) {}

  /// Until nothing is in flight.
  void drain() {
    while (inflight() != 0)
      poll(sluice::time_point::max());
  }

  /// Starts an operation, again if need be, and drives it to its end. Returns: its result.
  int result_of(test_op& op) {
    op.ends = 0;
    start(op);
    drain();
    CHECK(op.ends == 1);
    return op.got;
  }

  const sluice::detail::fault_counts& injected() const { return underlying().faults()->counts(); }

  static void complete(sluice::detail::operation& op, int result) noexcept {
    static_cast<test_op&>(op).finish(result);
  }
};

}  // namespace sluice_test
