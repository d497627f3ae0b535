// SPDX-License-Identifier: MIT
// dump(): every routine of the process: what it is, what it waits for, since when, and where.
#pragma once

#include <sluice/clock.hpp>
#include <sluice/config.hpp>
#include <sluice/detail/sched/wait_reason.hpp>

#include <cstdint>
#include <source_location>
#include <string>
#include <vector>

namespace sluice {

/// created and runnable: waits for a worker. waiting: for what `reason` says.
enum class routine_state : unsigned char { created, runnable, running, waiting, done };

/// One routine at the moment of the dump.
struct routine_info {
  std::uint64_t id = 0;
  std::string name;
  routine_state state = routine_state::created;
  wait_reason reason = wait_reason::none;  // of a waiting one
  const void* object = nullptr;  // the channel, or the routine's record, waited on, or null
  std::uint64_t joins = 0;       // the routine that it waits for, if it waits for one
  bool stopping = false;         // a stop was requested
  sluice::duration since{};      // how long it has been waiting (else: since its last wait)
  std::source_location spawned;  // the `go`
  /// Where it waits, innermost first: each co_await of its await chain. Empty while it runs.
  std::vector<std::source_location> chain;
};

/// All live routines of the process, by id; those that ended and whose handle is held come as `done`.
/// Holds the workers still meanwhile, for at most 10 ms; one that is inside a routine's own code is
/// not waited for longer, and that routine comes as running.
/// Threads: any, routines too. Cost: O(routines), and a pause of all workers.
SLUICE_EXPORT std::vector<routine_info> routines();

/// Writes routines() as text, one paragraph a routine, to a descriptor. For people; the form may change.
SLUICE_EXPORT void dump(int fd = 2);

/// The text of dump(), of the routines given.
SLUICE_EXPORT std::string to_string(const std::vector<routine_info>& all);

}  // namespace sluice
