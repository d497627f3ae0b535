// SPDX-License-Identifier: MIT
// What a coroutine frame knows of the routine it belongs to, and of the loop that resumes it.
//
// No frame ever resumes another: it names the next frame in its worker's trampoline and returns to
// the loop there, so that awaiting costs the same small stack however deep the chain, on every
// compiler and under every sanitizer (symmetric transfer overflows under g++ without optimisation).
#pragma once

#include <sluice/detail/base/atomic.hpp>
#include <sluice/detail/base/immovable.hpp>

#include <coroutine>
#include <cstdint>
#include <source_location>

namespace sluice::detail {

class fork;
class promise_base;

/// Why `resume()` returned with no frame to go on with.
enum class verdict : unsigned char {
  parked,    // the routine waits: somebody else may resume it already, touch nothing of it
  finished,  // the outermost frame is at its final suspension point
  yielded,   // runnable again, behind the others
  stopped,   // a wait was refused because a stop was requested: unwind
  forked,    // a fork has begun: its first child is next
};

/// The worker's half of a hop: written by the code that `resume()` runs, read when it returns.
struct trampoline {
  std::coroutine_handle<> next;   // the frame to resume next; null: see `end`
  verdict end = verdict::parked;  // meaningful when `next` is null
  bool unwinding = false;         // frames are being destroyed
  std::uint32_t awaits_left = 0;  // of the routine's turn: awaits that do not wait spend them
};

/// The part of a routine's record that its frames touch. Owned by the worker that runs the routine,
/// but for `stop_requested`, which anyone may set.
struct routine_head {
  trampoline* hop = nullptr;     // of the worker that runs it; set before each resumption
  std::coroutine_handle<> leaf;  // innermost frame, while parked or runnable
  fork* inner = nullptr;         // innermost fork whose children are frames of this routine [F2]
  atomic<bool> stop_requested{false};  // "cancelled?": one relaxed load

  /// Whether the next wait must stop instead of beginning.
  bool must_stop() const noexcept {
    // relaxed: a request that comes later is seen by the next wait, or claims this one when armed
    return stop_requested.load(std::memory_order_relaxed);
  }
};

/// One await of a task: lives in the awaiting frame, owns the awaited one.
/// Unwinding clears `child` before it destroys the child's frame, so each frame dies once.
struct call_link : immovable {
  call_link() noexcept = default;
  call_link(std::coroutine_handle<> callee, promise_base* from, std::source_location at) noexcept
      : child(callee), caller(from), site(at) {}

  std::coroutine_handle<> child;   // owned; null once destroyed
  promise_base* caller = nullptr;  // null at the root of a routine, and of a fork's child
  std::source_location site;       // of the co_await, or of the `go`
};

/// Who awaits, and where: what an operation is made with.
struct await_site {
  routine_head* head;
  std::source_location at;
};

/// Destroys the await chain of a stopped routine, innermost frame first, in constant stack, up to `last` or
/// to a link without a caller (of the routine, or of a child of its innermost fork), which is left empty. Runs
/// as that routine: destructors see one uncaught exception more. Fatal if a destructor throws.
/// Returns: whether it came to `last`.
bool unwind(routine_head& routine, const call_link* last = nullptr) noexcept;

}  // namespace sluice::detail
