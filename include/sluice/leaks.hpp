// SPDX-License-Identifier: MIT
// leaks(): routines that will never go on by themselves, and those of which that is to be feared.
#pragma once

#include <sluice/clock.hpp>
#include <sluice/config.hpp>
#include <sluice/dump.hpp>

#include <source_location>
#include <string>
#include <vector>

namespace sluice {

/// Why routines are listed. Certain ones end by a stop only: a cancel, or a deadline of their context.
enum class leak_kind : unsigned char {
  nil_channel,   // certain: sends to or receives from a nil channel
  join_cycle,    // certain: each joins the next, the last one the first
  joins_leaked,  // certain: joins a routine that is itself a certain leak
  long_wait,     // suspected: has waited for other routines for longer than was said
};

constexpr bool is_certain(leak_kind k) noexcept {
  return k != leak_kind::long_wait;
}

/// Routines that are stuck for one reason. A cycle: in the order in which they join each other. Suspected
/// ones: those that were started at one place and wait for the same kind of thing.
struct leak {
  leak_kind kind = leak_kind::long_wait;
  std::source_location spawned;  // of the first of them
  std::vector<routine_info> routines;
};

/// Lists what leaks, certain ones first; among the suspected the largest groups first. Waits for
/// operations, timers and blocking calls are never listed. A channel whose other handles are gone is not
/// told from one that somebody still has: its waiters are suspected, in time.
/// Threads: any, routines too. Cost: as routines(), and O(n log n).
SLUICE_EXPORT std::vector<leak> leaks(duration suspect_after = std::chrono::minutes(1));

/// For people; the form may change.
SLUICE_EXPORT std::string to_string(const std::vector<leak>& all);

}  // namespace sluice
