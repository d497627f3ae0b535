// SPDX-License-Identifier: MIT
// expect: chan<T>: T must be nothrow movable
#include <sluice/chan.hpp>

#include <memory>

struct element {
  element() = default;
  element(const element&) = delete;
};

void user() {
#ifdef SLUICE_CONTROL
  sluice::chan<std::unique_ptr<element>> c(1);
#else
  sluice::chan<element> c(1);
#endif
}
