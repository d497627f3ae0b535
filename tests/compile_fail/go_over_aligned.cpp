// SPDX-License-Identifier: MIT
// Frames are aligned to 16 bytes.
// expect: aligned beyond 16 bytes behind a pointer
#include <sluice/go.hpp>

#include <memory>

struct alignas(64) wide {
  int v[16];
};

#ifdef SLUICE_CONTROL
sluice::task<std::unique_ptr<wide>> f() {
  co_return std::make_unique<wide>();
}
#else
sluice::task<wide> f() {
  co_return wide{};
}
#endif

void user() {
  sluice::go(f);
}
