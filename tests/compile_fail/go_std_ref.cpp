// SPDX-License-Identifier: MIT
// std::ref would hand a reference in; the escape says what it is.
// expect: a reference that outlives the routine is unsafe_ref(x)
#include <sluice/go.hpp>

#include <functional>

sluice::task<> f(int& x) {
  ++x;
  co_return;
}

void user(int& x) {
#ifdef SLUICE_CONTROL
  sluice::go(f, sluice::unsafe_ref(x));
#else
  sluice::go(f, std::ref(x));
#endif
}
