// SPDX-License-Identifier: MIT
// An operation that loses must have had no effect: that is what select sees to.
// expect: race
// expect: operations of channels and timers go into select
#include <sluice/chan.hpp>
#include <sluice/race.hpp>

sluice::task<int> one() {
  co_return 1;
}

sluice::task<> user(sluice::chan<int> c) {
#ifdef SLUICE_CONTROL
  static_cast<void>(co_await sluice::race(one(), one()));
  co_await c.recv();
#else
  static_cast<void>(co_await sluice::race(c.recv(), one()));
#endif
}
