// SPDX-License-Identifier: MIT
// Nor does std::move make a stored task awaitable: tasks do not move.
// expect: co_await takes a task in the expression that makes it
#include <sluice/task.hpp>

#include <utility>

sluice::task<int> one() {
  co_return 1;
}

sluice::task<int> user() {
#ifdef SLUICE_CONTROL
  co_return co_await one();
#else
  auto stored = one();
  co_return co_await std::move(stored);
#endif
}
