// SPDX-License-Identifier: MIT
// The reference that groups are held to: who lives in one, who waits for room, and how it must end.
#pragma once

#include <sluice/errgroup.hpp>

#include "fuzz/actor.hpp"

#include <cstddef>
#include <system_error>
#include <vector>

namespace sluice_fuzz {

struct group_model {
  group_model(actor& a, std::size_t at_a_time) : owner(a), limit(at_a_time) {}

  bool is_full() const { return running >= limit; }
  /// A routine of it is started: it begins, or is queued.
  void starts(bool at_once) {
    ++live;
    if (at_once || !is_full()) {
      ++running;
    } else {
      ++queued;
    }
  }
  /// A routine of it has ended: the next one begins, or there is room.
  void one_ends(bool stopped) {
    lost |= stopped;
    --live;
    --running;
    if (queued != 0) {
      --queued;
      ++running;
    } else if (owner.waits == wait_for::room && owner.group == this && owner.settled == due::open &&
               in->reasons.empty() && !is_full()) {
      owner.settled = due::ready;  // a failure comes before the end, and stops it
    }
    if (live == 0 && body_over) is_cancelled_by(sluice::errc::canceled);
  }
  /// Its body has returned, thrown or was stopped.
  void body_ends(bool stopped, bool must_stop) {
    body_over = true;
    lost |= stopped;
    if (stopped || must_stop || live == 0) is_cancelled_by(sluice::errc::canceled);
  }

  /// It has been, or is about to be, cancelled.
  void is_cancelled_by(std::error_code cause) {
    if (!in->cancelled) in->reasons.push_back(cause);
  }
  void fails(std::error_code code) {
    if (!failure) failure = code;
    is_cancelled_by(code);
  }
  void throws(int actor_id) {
    throwers.push_back(actor_id);
    is_cancelled_by(sluice::errc::canceled);
  }

  actor& owner;
  const std::size_t limit;
  sluice::errgroup* real = nullptr;  // from the beginning of the body until the last has ended
  context_entry* in = nullptr;
  std::size_t live = 0, running = 0, queued = 0;
  bool body_over = false;
  bool body_threw = false;
  bool lost = false;          // somebody was stopped
  std::error_code failure;    // the first error
  std::vector<int> throwers;  // in order, but for the body: another may have come between
};

}  // namespace sluice_fuzz
