// SPDX-License-Identifier: MIT
// A task that nobody awaits does nothing.
// expect: co_await it
#include <sluice/task.hpp>

sluice::task<> work() {
  co_return;
}

sluice::task<> user() {
#ifdef SLUICE_CONTROL
  co_await work();
#else
  work();
  co_return;
#endif
}
