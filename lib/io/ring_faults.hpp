// SPDX-License-Identifier: MIT
// Faults below the io_uring reactor, by seed: everything that a kernel may do and rarely does.
//
// No fault loses or duplicates anything: a transfer cut short was really that short, an operation
// that fails never reached its descriptor, a completion held back comes later. What is above must
// come out right under any of them. For tests; a ring without faults pays one null check.
#pragma once

#include "base/random.hpp"
#include "io/compat.hpp"

#include <cstdint>
#include <vector>

namespace sluice::detail {

/// What to inject and how often: chances are in 1/1000, 0 for never.
struct ring_faults {
  std::uint64_t seed = 1;
  unsigned short_transfers = 0;   // of reads and writes: length cut to [1, length]
  unsigned errors = 0;            // of operations: fails with one of `error_codes`, untried
  std::vector<int> error_codes;   // errno values, > 0
  bool errors_everywhere = true;  // else: of reads and writes alone
  unsigned interrupts = 0;        // of enters: EINTR
  unsigned refusals = 0;          // of enters with something to submit: EAGAIN or EBUSY
  unsigned prefixes = 0;          // of enters with more than one to submit: only some of them
  unsigned first_enter = 0;       // the faults of enters strike those in [first_enter, last_enter),
  unsigned last_enter = ~0u;      // counted from 0
  unsigned delays = 0;            // of completions: held back for up to `max_delay` reaps
  unsigned max_delay = 3;         // reaps, > 0
  bool reorder = false;           // completions come in random order
  bool native_errors = true;      // use the kernel's own injection where it has one (6.10)
};

/// How often each was injected.
struct fault_counts {
  unsigned long short_transfers = 0, errors = 0, interrupts = 0, refusals = 0, prefixes = 0,
                delays = 0, reordered = 0;
};

/// A completion as the kernel wrote it.
struct reaped {
  std::uint64_t user_data;
  int res;
  unsigned flags;
};

/// The faults of one ring. Owner: the ring's thread.
class fault_injector {
 public:
  explicit fault_injector(const ring_faults& faults);

  /// Whether the kernel injects errors by itself; found out by the ring when it is set up.
  void set_native(bool works) noexcept { native_ = native_ && works; }
  bool wants_native() const noexcept { return native_; }

  /// May change a prepared read, write or other operation. Not for the ring's own submissions.
  void prepare(io_uring_sqe& sqe);

  /// Before an enter. Returns: 0, EINTR, EAGAIN or EBUSY; may lower `to_submit`, never to 0.
  int enter(unsigned& to_submit);

  /// A reap: every completion taken out of the ring arrives, then those that are due are taken.
  void begin_reap();
  void arrive(const reaped& c);
  bool take(reaped& c);

  /// Completions held back.
  std::size_t held() const noexcept { return held_.size(); }
  const fault_counts& counts() const noexcept { return counts_; }

 private:
  struct waiting {
    reaped c;
    unsigned delay;  // reaps to go
  };

  bool chance(unsigned per_mille) noexcept {
    return per_mille != 0 && rng_.below(1000) < per_mille;
  }
  void shorten(io_uring_sqe& sqe);
  void fail(io_uring_sqe& sqe);

  ring_faults faults_;
  random rng_;
  bool native_;
  fault_counts counts_;
  unsigned enters_ = 0;
  std::vector<waiting> held_;
  std::vector<reaped> failing_;  // operations replaced by a plain nop, and what they end with
};

}  // namespace sluice::detail
