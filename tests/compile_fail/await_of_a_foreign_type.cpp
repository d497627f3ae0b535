// SPDX-License-Identifier: MIT
// An awaiter of another library would resume the routine on a thread of its own.
// expect: co_await takes a task in the expression that makes it, an operation of the library
#include <sluice/routine.hpp>
#include <sluice/task.hpp>

#include <coroutine>

struct foreign {
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<>) const {}
  void await_resume() const {}
};

sluice::task<> user() {
#ifdef SLUICE_CONTROL
  co_await sluice::yield();
#else
  co_await foreign{};
#endif
}
