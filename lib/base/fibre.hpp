// SPDX-License-Identifier: MIT
// Routines as ThreadSanitizer sees them: each is a thread of control of its own, a "fibre", so that a
// race of two routines is found where one worker runs both. Without the detector all of it is nothing.
//
// To the detector a worker's thread changes places. While it runs a routine it is that routine's fibre
// (routine_scope); where library code that runs so comes to what is the worker's own (queues, timers,
// reactor, store of records), it is the worker again (worker_scope). No change of places orders
// anything; what does, is
//   - the library's atomics and locks, as between threads;
//   - make(): what the spawner has done comes before all that the routine does;
//   - hand_over(): what was done by who makes a routine runnable comes before what it does next.
// The latter goes by an address that is this routine's alone. Were it a worker's, all its routines
// would be ordered, and no race between them found.
//
// What is the thread's own is used by all of them in turn: its stack, its thread-locals, its desk. The
// detector forgets who used it at each change. docs/decisions/0008-routines-are-tsan-fibres.md
#pragma once

#include <sluice/config.hpp>
#include <sluice/detail/base/atomic.hpp>
#include <sluice/detail/base/immovable.hpp>

#include <cstddef>
#include <cstdint>

namespace sluice::detail {

#if defined(SLUICE_TSAN)
extern "C" void __tsan_acquire(void* address);
extern "C" void __tsan_release(void* address);
#endif

/// An order that the detector does not see by itself: what came before a release of an address comes
/// before what follows a later acquire.
inline void tsan_acquire([[maybe_unused]] const void* address) noexcept {
#if defined(SLUICE_TSAN)
  __tsan_acquire(const_cast<void*>(address));
#endif
}
inline void tsan_release([[maybe_unused]] const void* address) noexcept {
#if defined(SLUICE_TSAN)
  __tsan_release(const_cast<void*>(address));
#endif
}

/// Memory that is used in turn by parties that nothing else orders. Aligned to 8.
struct own_memory {
  const void* begin;
  std::size_t bytes;
};

#if defined(SLUICE_TSAN)

/// The detector takes the memory for fresh: who used it before raced with nobody. Atomics in it keep
/// what they order.
void tsan_forget(own_memory m) noexcept;

/// A routine's place in the detector; lies in its record.
class fibre : immovable {
 public:
  /// A fibre costs the detector some 10 KiB. Beyond this many live ones a routine has none of its own
  /// and runs as its worker: those of one worker are not told from each other.
  static constexpr std::uint32_t most_live = 16384;

  /// By the spawner, when all else of the record is made.
  void make(std::uint64_t id) noexcept;

  /// By who makes the routine runnable, before others can take it on.
  void hand_over() noexcept { tsan_release(this); }

  /// By a routine that goes on as another one, `branch`, whose record is new: that one is who the thread is, and
  /// has been; the rest of the routine is one that it makes.
  void split(std::uint64_t id, fibre& branch, std::uint64_t branch_id) noexcept;

  /// By the routine when it has ended, before its record can be another's.
  void end() noexcept;

 private:
  friend class routine_scope;

  void name(std::uint64_t id) noexcept;

  void* context_ = nullptr;      // the detector's; null: the worker's stands for it
  atomic<bool> entered_{false};  // a thread is it; another that takes the routine on waits
};

/// The thread is the routine's fibre. Not nested.
class routine_scope : immovable {
 public:
  /// `desk`: of the worker, and touched by routines' code without a worker_scope.
  routine_scope(fibre& f, own_memory desk) noexcept;
  ~routine_scope();
};

/// The thread is its worker again, though a routine runs. Elsewhere nothing. May be nested.
class worker_scope : immovable {
 public:
  worker_scope() noexcept;
  ~worker_scope();

 private:
  void* const left_;  // whom to be again; null: no change
};

/// Routines that are started meanwhile have no fibres: for tests that rely on one worker's turns.
class fibres_off : immovable {
 public:
  fibres_off() noexcept;
  ~fibres_off();
};

/// Nothing that the thread does is seen, and it orders nothing.
class unseen_scope : immovable {
 public:
  unseen_scope() noexcept;
  ~unseen_scope();
};

#else

inline void tsan_forget(own_memory /*m*/) noexcept {}

class fibre {
 public:
  void make(std::uint64_t /*id*/) noexcept {}
  void hand_over() noexcept {}
  void split(std::uint64_t /*id*/, fibre& /*branch*/, std::uint64_t /*branch_id*/) noexcept {}
  void end() noexcept {}
};

struct routine_scope {
  routine_scope(fibre& /*f*/, own_memory /*desk*/) noexcept {}
};

struct worker_scope {
  worker_scope() noexcept {}
};

struct fibres_off {
  fibres_off() noexcept {}
};

struct unseen_scope {
  unseen_scope() noexcept {}
};

#endif

}  // namespace sluice::detail
