// SPDX-License-Identifier: MIT
// What the tests of boundaries and contexts run inside of them: chains of frames that wait for ever, and
// are watched as they go.
#pragma once

#include <sluice/chan.hpp>
#include <sluice/task.hpp>

#include "support/unwinding.hpp"

#include <atomic>

namespace sluice_test {

inline sluice::task<> wait_for_ever() {
  sluice::chan<int> c(0);
  static_cast<void>(co_await c.recv());
}

/// Of one routine.
struct trace {
  exit_log log;
  bool caught = false;
  bool went_on = false;

  bool unwound(int frames) const { return unwound_in_order(log, frames) && !caught && !went_on; }
};

inline sluice::task<> third(trace* t) {
  const witness w(t->log, 0);
  co_await wait_for_ever();
  t->went_on = true;
}
inline sluice::task<> second(trace* t) {
  const witness w(t->log, 1);
  try {
    co_await third(t);
  } catch (...) {
    t->caught = true;
  }
  t->went_on = true;
}
/// Three frames that wait for ever, the middle one of which catches all.
inline sluice::task<> three_frames(trace* t) {
  const witness w(t->log, 2);
  co_await second(t);
  t->went_on = true;
}

inline sluice::task<> wait_watched(exits* e) {
  const leaves l(e);
  co_await wait_for_ever();
}

}  // namespace sluice_test
