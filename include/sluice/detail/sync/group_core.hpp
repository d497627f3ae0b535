// SPDX-License-Identifier: MIT
// The compiled half of errgroup: its routines, its context, its first failure, and who waits for them.
#pragma once

#include <sluice/config.hpp>
#include <sluice/detail/base/spin_lock.hpp>
#include <sluice/detail/sched/context_node.hpp>
#include <sluice/detail/sched/spawn.hpp>
#include <sluice/detail/sched/wait_point.hpp>
#include <sluice/error.hpp>

#include <coroutine>
#include <cstddef>
#include <exception>
#include <optional>
#include <system_error>

namespace sluice::detail {

class group_join_op;
class group_room_op;

/// Invariants, guarded by lock_:
///   G1  live_ counts the routines that have not ended; of them, running_ may run, and queued_ wait for room
///   G2  a routine is queued only while running_ is at the limit
///   G3  the first failure has cancelled the context, or is about to
class SLUICE_EXPORT group_core : public routine_group {
 public:
  static constexpr std::size_t no_limit = ~std::size_t{0};

  group_core(std::size_t limit, bool crashes);
  group_core(const group_core&) = delete;
  group_core& operator=(const group_core&) = delete;
  ~group_core();

  const context_ref& context() const noexcept { return context_; }
  bool is_limited() const noexcept { return limit_ != no_limit; }

  /// A routine is about to be started.
  void admit() noexcept;
  /// Likewise, if one more may run. Returns: whether it may.
  bool try_admit() noexcept;
  /// It was not started: that threw. `admitted`: by try_admit().
  void dismiss(bool admitted) noexcept;
  /// It was started with `hold`: it runs when there is room.
  void enqueue(routine& r) noexcept;

  /// The first failure cancels all. `r`: the routine that failed, or null: the body.
  void fail(const routine* r, std::exception_ptr e) noexcept;
  void fail(error e) noexcept;
  /// A part of the work was stopped.
  void lose() noexcept;
  void cancel_all() noexcept;

  /// By the routine, when it has told the group what it ends with.
  void report_ends() noexcept;
  void one_ended() noexcept override;

  /// Once all have ended. Returns: the first failure, if it was an error; throws it if it was an exception.
  std::optional<error> take_failure();
  bool has_lost() const noexcept { return lost_; }

 private:
  friend class group_join_op;
  friend class group_room_op;

  enum class joined : unsigned char { no, until_stopped, whatever_comes };

  bool take_failure_slot() noexcept;
  routine* take_joiner() noexcept;
  routine* take_room_waiters() noexcept;

  const std::size_t limit_;
  const bool crashes_;
  context_ref context_;
  spin_lock lock_;  // guards the rest
  bool failed_ = false;
  bool lost_ = false;
  joined joined_ = joined::no;
  std::size_t live_ = 0;
  std::size_t running_ = 0;
  routine* first_queued_ = nullptr;
  routine* last_queued_ = nullptr;
  wait_point* joiner_ = nullptr;
  link_list room_waiters_;
  std::exception_ptr exception_;
  std::optional<error> error_;
};

/// Waits for all routines of a group. A stop request cancels them, and the wait goes on: no cancellation point.
/// Returns: whether all have ended; false: a stop came, to be awaited again.
class SLUICE_EXPORT group_join_op final : public wait_point {
 public:
  group_join_op(await_site site, group_core* g) noexcept;
  bool await_suspend(std::coroutine_handle<> frame) noexcept;
  bool await_resume() const noexcept;

 private:
  static void abandon(wait_point& self) noexcept;
  static void request_stop(wait_point& self) noexcept;
  static const void* object(const wait_point& self) noexcept;
  static const wait_kind join_kind;

  group_core* g_;
};

/// Waits until one more routine may run.
class SLUICE_EXPORT group_room_op final : public wait_point, private list_link {
 public:
  group_room_op(await_site site, group_core* g) noexcept;
  bool await_suspend(std::coroutine_handle<> frame) noexcept;
  void await_resume() const noexcept {}

 private:
  friend class group_core;
  static void abandon(wait_point& self) noexcept;
  static const void* object(const wait_point& self) noexcept;
  static const wait_kind room_kind;

  group_core* g_;
};

}  // namespace sluice::detail
