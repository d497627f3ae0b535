// SPDX-License-Identifier: MIT
// A group lives where errgroup::run has made it: nothing may outlast that.
// expect: delete
#include <sluice/errgroup.hpp>

sluice::task<> user() {
  auto body = [](sluice::errgroup& g) -> sluice::task<> {
#ifdef SLUICE_CONTROL
    sluice::errgroup& kept = g;
#else
    sluice::errgroup kept = g;
#endif
    kept.cancel();
    co_return;
  };
  static_cast<void>(co_await sluice::errgroup::run(body));
}
