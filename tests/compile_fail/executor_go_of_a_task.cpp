// SPDX-License-Identifier: MIT
// As with the free go.
// expect: go: write go(f, args...), not go(f(args...))
#include <sluice/runtime.hpp>

sluice::task<int> f(const int& x) {
  co_return x;
}

void user(sluice::executor& ex) {
#ifdef SLUICE_CONTROL
  ex.go(f, 1);
#else
  ex.go(f(1));
#endif
}
