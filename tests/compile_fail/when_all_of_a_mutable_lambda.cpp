// SPDX-License-Identifier: MIT
// One callable makes the tasks of all indices, on several workers at a time.
// expect: when_all: f(index) is called as const and returns a task
#include <sluice/when_all.hpp>

sluice::task<> one(std::size_t) {
  co_return;
}

sluice::task<> user() {
#ifdef SLUICE_CONTROL
  co_await sluice::when_all(3, [n = 0](std::size_t i) { return one(i + n); });
#else
  co_await sluice::when_all(3, [n = 0](std::size_t i) mutable { return one(i + n++); });
#endif
}
