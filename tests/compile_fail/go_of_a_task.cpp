// SPDX-License-Identifier: MIT
// go(f(x)) would run f's body with arguments that may be gone.
// expect: go: write go(f, args...), not go(f(args...))
#include <sluice/go.hpp>

sluice::task<int> f(const int& x) {
  co_return x;
}

void user() {
#ifdef SLUICE_CONTROL
  sluice::go(f, 1);
#else
  sluice::go(f(1));
#endif
}
