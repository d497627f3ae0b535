// SPDX-License-Identifier: MIT
// Values are moved under a lock, between routines: there is nobody to throw to.
// expect: chan<T>: T must be nothrow movable
#include <sluice/chan.hpp>

struct element {
  element() = default;
#ifdef SLUICE_CONTROL
  element(element&&) noexcept {}
#else
  element(element&&) {}
#endif
};

void user() {
  sluice::chan<element> c(1);
}
