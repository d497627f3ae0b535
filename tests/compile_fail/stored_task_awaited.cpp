// SPDX-License-Identifier: MIT
// A task is awaited in the expression that makes it; one that was stored would outlive its arguments.
// expect: co_await takes a task in the expression that makes it
#include <sluice/task.hpp>

sluice::task<int> one() {
  co_return 1;
}

sluice::task<int> user() {
#ifdef SLUICE_CONTROL
  co_return co_await one();
#else
  auto stored = one();
  co_return co_await stored;
#endif
}
