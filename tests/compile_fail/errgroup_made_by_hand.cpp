// SPDX-License-Identifier: MIT
// A group that is a local has a destructor that cannot wait: only errgroup::run makes one.
// expect: private
#include <sluice/errgroup.hpp>

sluice::task<> user() {
#ifdef SLUICE_CONTROL
  static_cast<void>(
      co_await sluice::errgroup::run([](sluice::errgroup&) -> sluice::task<> { co_return; }));
#else
  sluice::errgroup g{sluice::errgroup_options{}};
  co_return;
#endif
}
