// SPDX-License-Identifier: MIT
// The record of a routine: what `go` makes, dumps show and everybody who waits or wakes works on.
//
// Records live in type-stable slabs (routine_pool): memory that was one stays one, so that a dump can
// walk them all, and a late futex wake or a shutdown's stop request hits nothing else.
//
// Life:    free -> live -> done -> free
//   free   in the pool                         by pool
//   live   from spawn until its root frame has finished or was unwound   by the spawner
//   done   its result is still wanted by a handle   by the worker that ran it last
// While live, the claim word tells more: running; armed, pinned, stopping: waiting; claimed: runnable.
#pragma once

#include <sluice/clock.hpp>
#include <sluice/detail/base/atomic.hpp>
#include <sluice/detail/base/spin_lock.hpp>
#include <sluice/detail/coro/trampoline.hpp>
#include <sluice/detail/sched/boundary.hpp>
#include <sluice/detail/sched/fork.hpp>
#include <sluice/detail/sched/spawn.hpp>
#include <sluice/detail/sched/wait_point.hpp>

#include "base/fibre.hpp"

#include <cstdint>
#include <exception>
#include <source_location>

namespace sluice::detail {

class executor_core;

enum class routine_phase : unsigned char { free, live, done };

struct alignas(cache_line) routine : context_member, routine_head {
  // Guards: [W] the worker that runs it, or whoever has claimed its wait; [J] join_lock;
  // [S] written at spawn, immutable while live; atomics as said.
  // context_member::node: the context it was started in [S]; kept behind its end if that was a stop.
  claim_word claim;
  atomic<routine_phase> phase{routine_phase::free};  // [P1]
  bool unwinding = false;                            // [W] go on by unwinding, not by resuming
  bool unwinding_if_asked = false;  // [W] with `unwinding`: unless no stop was requested
  bool stopped = false;             // [W], then read by the joiner: ended by a stop
  bool taken = false;               // [W] of the joiner: result or exception has been taken
  bool at_fork = false;             // [W] goes on with its innermost fork, not with a frame
  bool asked = false;               // [J] to stop: it, and not a context or a fork of its own
  bool is_member = false;           // [W] of its context, in whose lists it may be
  mutable spin_lock join_lock;      // guards the changes of `phase` from live, and to free, too
  call_link root;                   // owns the root frame; site: spawn site [S]
  wait_point* wait = nullptr;       // [W] the wait it is in
  routine* next = nullptr;          // link of the queue that holds it

  boundary* within = nullptr;  // written by [W] under [J]: the innermost boundary whose task runs

  fork* oldest = nullptr;        // [W] outermost fork with children that have not begun
  fork_child* branch = nullptr;  // [S] the fork's child that it is, or null; [J] back to null

  executor_core* executor = nullptr;  // [S]
  start_box* box = nullptr;           // [S] closure and arguments that frames refer to
  const result_kind* kind = nullptr;  // [S]
  wait_point* joiner = nullptr;       // [J]
  atomic<std::uint32_t> finished{0};  // 0 no, 1 yes, 2 no and a thread blocks on it [J1]
  atomic<std::uint32_t> refs{0};      // itself while live, and its handle
  std::uint64_t id = 0;               // [S]
  char* name = nullptr;               // [J] owned, null for none
  atomic<std::int64_t> since{0};      // [W] ns of the executor's clock: last park or spawn

  [[no_unique_address]] detail::fibre fibre;  // its own

  static routine& of(routine_head& head) noexcept { return static_cast<routine&>(head); }
};

#if !defined(SLUICE_TSAN)  // whose fibre has a size
static_assert(sizeof(routine) <= 2 * cache_line + cache_line, "a record is at most three lines");
#endif

/// Makes a free record a live routine's, once its frames, its claim word and what they need are set. In a
/// free one `inner`, `oldest`, `branch`, `at_fork`, `within` and the context are null and false: forks and
/// boundaries end before their routine.
void prepare(routine& r, executor_core& ex, std::source_location at, time_point now) noexcept;

/// Makes a live routine that does not run yet a member of the context.
void join_context(routine& r, context_node& node) noexcept;

/// Where the routine stands in the tree of contexts: its membership in the innermost one.
inline const context_member& membership_of(const routine& r) noexcept {
  const context_member* m = r.within != nullptr ? r.within->governing() : nullptr;
  return m != nullptr ? *m : r;
}

/// As the routine, or holding join_lock. Whether its innermost context is cancelled.
bool is_context_cancelled(const routine& r) noexcept;

/// Holds join_lock. Whether there is a reason to stop besides forks that it runs children of: it was asked
/// to, or its context is cancelled.
bool is_stop_due(const routine& r) noexcept;

/// Makes a record that is live, and that nobody refers to, free.
void retire(routine& r) noexcept;

/// What dumps and stats may know of a routine without a look at its frames.
struct routine_facts {
  std::uint64_t id;
  routine_phase phase;      // live or done
  claim_word::state state;  // while live
  bool stopping;            // a stop was requested
  const executor_core* executor;
  duration since;  // its last park or its spawn
  std::source_location spawned;
  char name[128];  // cut off behind that; "" for none
};

/// Reads a record that may end, and be another routine's, meanwhile. Returns: false if it is free.
/// Any thread. Cost: a short lock.
bool read_facts(const routine& r, routine_facts& f) noexcept;

inline routine& wait_point::owner() const noexcept {
  return routine::of(*head);
}

}  // namespace sluice::detail
