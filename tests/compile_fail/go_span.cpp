// SPDX-License-Identifier: MIT
// What a span refers to may go before the routine does.
// expect: go: arguments are values
#include <sluice/go.hpp>

#include <span>
#include <vector>

sluice::task<> f(std::span<const int>) {
  co_return;
}

void user(const std::vector<int>& v) {
#ifdef SLUICE_CONTROL
  sluice::go(f, v);
#else
  sluice::go(f, std::span<const int>(v));
#endif
}
