// SPDX-License-Identifier: MIT
// expect: chan<T>: T is an object type
#include <sluice/chan.hpp>

void user() {
#ifdef SLUICE_CONTROL
  sluice::chan<int*> c(1);
#else
  sluice::chan<int&> c(1);
#endif
}
