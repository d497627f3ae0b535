// SPDX-License-Identifier: MIT
// f would change go's copy, and the caller wait for a change that never comes.
// expect: go: f cannot be called with copies of the arguments
#include <sluice/go.hpp>

sluice::task<> f(int& x) {
  ++x;
  co_return;
}

void user(int& x) {
#ifdef SLUICE_CONTROL
  sluice::go(f, sluice::unsafe_ref(x));
#else
  sluice::go(f, x);
#endif
}
