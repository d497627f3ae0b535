// SPDX-License-Identifier: MIT
// A task that was made here would refer to what its own frame was given here.
// expect: write on(ex, f, args...)
#include <sluice/on.hpp>

sluice::task<> work(int);

sluice::task<> user(sluice::executor& ex) {
#ifdef SLUICE_CONTROL
  co_await sluice::on(ex, work, 1);
#else
  co_await sluice::on(ex, work(1));
#endif
}
