// SPDX-License-Identifier: MIT
// A fork: a wait for children that run as frames of the routine that awaits them, one after another,
// until something else is better:
//
//   a child of a fork        is                                                        becomes
//   not begun                a frame, or an index to make one of                       running, given, or dropped by a stop
//   running                  innermost of the routine's frames: one child at a time    ended, or a branch when it awaits an operation
//   given                    a branch in a run queue that others can take from         ended
//   branch                   a routine of its own                                      ended
//   ended                    with a result, an exception, or neither: it was stopped
// Awaiting a fork whose children all run to their end so costs their frames and a few stores.
#pragma once

#include <sluice/config.hpp>
#include <sluice/detail/base/atomic.hpp>
#include <sluice/detail/base/spin_lock.hpp>
#include <sluice/detail/coro/promise_base.hpp>
#include <sluice/detail/sched/spawn.hpp>
#include <sluice/detail/sched/wait_point.hpp>

#include <coroutine>
#include <cstddef>
#include <exception>

namespace sluice::detail {

class fork;
struct routine;

/// A child that has begun, or is a branch. `caller` is null: here its part of the await chain ends.
struct fork_child : call_link {
  fork_child(std::coroutine_handle<> frame, fork& f, const result_kind& k) noexcept
      : call_link(frame, nullptr, {}), of(&f), kind(&k) {}

  fork* of;
  const result_kind* kind;
  routine* branch;  // these are set once it is a branch, and guarded by the fork's lock: its record
  fork_child* next;  // among the branches
  fork_child* prev;
};

/// What differs between forks. One constant per type.
struct fork_kind {
  /// Makes the child `index`, which begins now. Returns null: making it threw, and fail() was told.
  /// Null for a fork whose children are made before it.
  fork_child* (*begin)(fork&, std::size_t index) noexcept;

  /// Gives away a share of what has not begun, as one child; takes it off `last`. Null: out of memory.
  fork_child* (*give)(fork&) noexcept;

  /// Gives the running child, which becomes a branch, a place that stays. Throws std::bad_alloc.
  fork_child* (*detach)(fork&, fork_child& running);

  /// Takes the result out of a child that has ended with one, and destroys its frame. Null: the
  /// result stays where it is. May throw what moving the result throws.
  void (*take)(fork&, fork_child&);

  /// A branch that detach() or give() has made a place for has ended. Null: nothing was allocated.
  void (*drop)(fork_child&) noexcept;

  /// A race: the first child that ends with a result stops the others, and failures do not.
  bool is_race = false;
};

/// Invariants:
///   F1  children [next_, last_) have not begun; below and above they have, or were given away
///   F2  while the fork is the innermost of its routine (routine_head::inner), running_ is the child that runs as
///       the routine's frames, or null; in an outer one running_ is what the inner ones lie in
///   F3  branches_ holds the children that are routines; each leaves it, under lock_, as the last thing its
///       routine does to the fork, which is therefore there until the list is empty
///   F4  waiting_ is not `no` only while the routine waits for branches_ to become empty
///   F5  once stopping_ is set no child begins, and each branch has been asked to stop
///   F6  the fork stops when a child has failed, or, in a race, has won; or when its routine is to stop
class SLUICE_EXPORT fork : public wait_point {
 public:
  /// `made`: the `children`, or null: the kind makes them.
  fork(await_site s, const fork_kind& k, fork_child* made, std::size_t children) noexcept
      : wait_point(s, fork_wait), next_(0), last_(children), kind_(&k), made_(made) {}

  void await_suspend(std::coroutine_handle<> frame) noexcept;

  /// The frame that awaits.
  std::coroutine_handle<> frame() const noexcept { return frame_; }

 protected:
  ~fork() = default;

  /// For await_resume(): throws the first exception of a child, if one threw.
  void rethrow() {
    if (error_) [[unlikely]] {
      std::rethrow_exception(std::move(error_));
    }
  }

  /// Beginning a child threw.
  void fail(std::exception_ptr e) noexcept;

  /// Of a race, once it is over: the child that won, or null.
  const fork_child* winner() const noexcept { return winner_; }

  std::size_t next_;  // owner, as last_
  std::size_t last_;

 private:
  friend class worker;
  friend void split_off(promise_base& leaf);
  friend void note_failure(routine_head& routine) noexcept;

  enum class wait : unsigned char { no, until_stopped, whatever_comes };
  enum class next_step : unsigned char { done, waiting, stop_came };

  bool has_unbegun() const noexcept { return next_ != last_; }
  /// The outermost fork within this one that has children which have not begun, or null.
  fork* next_unbegun(const fork& innermost) noexcept;
  bool has_lost() const noexcept { return lost_ || branch_lost_; }  // once there are no branches
  bool is_decided() const noexcept {
    return kind_->is_race ? winner_ != nullptr || !has_lost() : error_ != nullptr || !has_lost();
  }
  void win(fork_child& c) noexcept;
  std::exception_ptr end_child(fork_child& c, bool threw, bool obeyed) noexcept;
  bool adopt(fork_child& c, routine& branch) noexcept;
  routine* end_branch(fork_child& c, std::exception_ptr& e, bool lost) noexcept;
  bool decides(fork_child& c, std::exception_ptr& e, bool lost) noexcept;
  bool has_branches() noexcept;
  next_step wait_for_branches(routine& r) noexcept;
  void move_to(routine& r) noexcept;
  void stop_all_branches() noexcept;
  void stop_branches(const fork_child* failed) noexcept;
  bool is_stopping() const noexcept {
    // relaxed: exact under the lock, and once all branches have ended; else a hint: a child that begins
    // in spite of it stops at its first wait
    return stopping_.load(std::memory_order_relaxed);
  }
  static void request_stop(wait_point& self) noexcept;
  static const wait_kind fork_wait;

  const fork_kind* kind_;
  fork_child* made_;
  std::coroutine_handle<> frame_;   // owner, as all down to lock_
  fork* outer_ = nullptr;           // the fork in whose running child this one's frame is, if any
  fork* deeper_ = nullptr;          // the one whose outer_ this is, or was last
  fork_child* running_ = nullptr;   // [F2]
  bool shared_ = false;             // it has had branches
  bool threw_ = false;              // the running child ends with an exception
  bool lost_ = false;               // a child ended without a result, or never began
  spin_lock lock_;                  // guards the rest, and `head` while there are branches
  bool branch_lost_ = false;        // a branch ended without a result
  wait waiting_ = wait::no;         // [F4]
  atomic<bool> stopping_{false};    // [F5]
  fork_child* branches_ = nullptr;  // [F3]
  std::exception_ptr error_;        // the first in time
  fork_child* winner_ = nullptr;    // likewise
};

}  // namespace sluice::detail
