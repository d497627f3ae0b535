// SPDX-License-Identifier: MIT
// What it runs refers to temporaries of the expression that makes it.
// expect: delete
#include <sluice/context.hpp>

#include <chrono>

sluice::task<int> one() {
  co_return 1;
}

sluice::task<> user() {
#ifdef SLUICE_CONTROL
  static_cast<void>(co_await sluice::with_timeout(std::chrono::seconds(1), one()));
#else
  auto stored = sluice::with_timeout(std::chrono::seconds(1), one());
  static_cast<void>(co_await stored);
#endif
}
