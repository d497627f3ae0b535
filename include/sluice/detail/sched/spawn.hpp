// SPDX-License-Identifier: MIT
// Starting a routine, seen from the templates: the frame is made there, all else is compiled.
#pragma once

#include <sluice/config.hpp>
#include <sluice/detail/coro/promise_base.hpp>
#include <sluice/detail/sched/context_node.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <source_location>
#include <string_view>
#include <utility>

namespace sluice::detail {

struct routine;
class executor_core;
class wait_point;

/// Who starts routines, and is told of their ends instead of holding handles.
class routine_group {
 public:
  /// One of its routines has ended; nothing is left of it. The last thing that the routine does here.
  virtual void one_ended() noexcept = 0;

 protected:
  ~routine_group() = default;
};

/// Holds the closure and the arguments of a routine for as long as its frames may refer to them.
/// Allocated as a frame; `drop` destroys and frees it.
struct start_box {
  void (*drop)(start_box*) noexcept;
  routine_group* group = nullptr;  // whose routine it is
};

/// What differs between result types, one constant per type.
struct result_kind {
  /// The exception that the finished root frame holds, or null.
  std::exception_ptr (*exception)(std::coroutine_handle<> root) noexcept;

  /// For routines of groups: the routine has ended; tells box->group what with, unless it was stopped (`root`
  /// is null then). Does not free anything. Null: of no group.
  void (*report)(const routine& r, std::coroutine_handle<> root, start_box& box) noexcept = nullptr;
};

/// A counted reference to a routine's record: what a handle is made of.
class SLUICE_EXPORT routine_ref {
 public:
  routine_ref() noexcept = default;
  explicit routine_ref(routine* counted) noexcept : r_(counted) {}
  routine_ref(routine_ref&& o) noexcept : r_(std::exchange(o.r_, nullptr)) {}
  routine_ref& operator=(routine_ref&& o) noexcept {
    routine_ref(std::move(o)).swap(*this);
    return *this;
  }
  ~routine_ref() {
    if (r_ != nullptr) release(r_);
  }
  void swap(routine_ref& o) noexcept { std::swap(r_, o.r_); }

  routine* get() const noexcept { return r_; }
  explicit operator bool() const noexcept { return r_ != nullptr; }

  std::uint64_t id() const noexcept;
  void request_stop() const noexcept;

  /// The finished root frame, whose result is taken by the caller; throws stopped_error if the
  /// routine ended stopped. Call once, after it has finished.
  std::coroutine_handle<> take_finished() const;

  /// Blocks the calling thread until the routine has finished. Panics on a worker.
  void wait_blocking() const;

 private:
  static void release(routine* r) noexcept;

  routine* r_ = nullptr;
};

/// What a new routine is made of. Ownership passes to spawn().
struct start {
  std::coroutine_handle<promise_base> frame;  // unstarted root frame
  const result_kind* kind;
  start_box* box;  // may be null
};

/// Where a routine is started, and by whom.
struct spawn_site {
  executor_core* executor;     // null: the running worker's
  std::source_location at;     // the `go`
  const char* name = nullptr;  // the routine's name; copied
  // The routine's context; null: that of who starts it, if it is a routine of the same executor, else
  // the background.
  const context_ref* context = nullptr;
  bool hold = false;  // it is not made runnable: release_held() does
};

/// Makes a routine runnable that was started with `hold`.
SLUICE_EXPORT void release_held(routine& r) noexcept;

/// Starts a routine. Panics without an executor, given or running.
SLUICE_EXPORT routine_ref spawn(const start& s, const spawn_site& where);

}  // namespace sluice::detail
