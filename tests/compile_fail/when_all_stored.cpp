// SPDX-License-Identifier: MIT
// Tasks refer to what the caller passed them, which a stored call would outlive.
// expect: co_await when_all(...) in one expression
#include <sluice/when_all.hpp>

sluice::task<> one() {
  co_return;
}

sluice::task<> user() {
#ifdef SLUICE_CONTROL
  co_await sluice::when_all(one(), one());
#else
  auto stored = sluice::when_all(one(), one());
  co_await stored;
#endif
}
