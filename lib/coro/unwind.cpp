// SPDX-License-Identifier: MIT
// Unwinding a stopped routine: its frames are destroyed innermost first, as if an exception that
// nobody can catch passed through them.
#include <sluice/detail/coro/promise_base.hpp>

#include <cxxabi.h>

namespace sluice::detail {

namespace {

// The first two words of the C++ runtime's per-thread exception state, as the Itanium C++ ABI
// (2.2.2) fixes them; <cxxabi.h> only declares the type.
struct eh_globals {
  void* caught;
  unsigned int uncaught;
};

/// While it lives, std::uncaught_exceptions() reads one more: scope guards see a failure.
class unwinding_mark {
 public:
  unwinding_mark() noexcept : globals_(reinterpret_cast<eh_globals*>(abi::__cxa_get_globals())) {
    ++globals_->uncaught;
  }
  unwinding_mark(const unwinding_mark&) = delete;
  unwinding_mark& operator=(const unwinding_mark&) = delete;
  ~unwinding_mark() { --globals_->uncaught; }

 private:
  eh_globals* globals_;
};

}  // namespace

bool unwind(routine_head& routine, const call_link* last) noexcept {
  const unwinding_mark mark;
  routine.hop->unwinding = true;
  promise_base* frame = &promise_base::of(routine.leaf);
  const call_link* link = nullptr;
  while (frame != nullptr && (link == nullptr || link != last)) {
    call_link& l = *frame->link;
    promise_base* caller = l.caller;  // read before: the promise dies with its frame
    const std::coroutine_handle<> doomed = std::exchange(l.child, nullptr);
    doomed.destroy();
    link = &l;
    frame = caller;
  }
  routine.hop->unwinding = false;
  return last != nullptr && link == last;
}

}  // namespace sluice::detail
