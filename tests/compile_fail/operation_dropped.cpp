// SPDX-License-Identifier: MIT
// A send that nobody awaits sends nothing.
// expect: co_await it
#include <sluice/chan.hpp>
#include <sluice/task.hpp>

sluice::task<> user(sluice::chan<int> c) {
#ifdef SLUICE_CONTROL
  static_cast<void>(co_await c.send(1));
#else
  c.send(1);
  co_return;
#endif
}
