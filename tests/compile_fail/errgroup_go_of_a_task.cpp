// SPDX-License-Identifier: MIT
// The body of a task that was made already would run with arguments that may be gone.
// expect: g.go(f, args...), not g.go(f(args...))
#include <sluice/errgroup.hpp>

sluice::task<> one(int) {
  co_return;
}

sluice::task<> user() {
  auto body = [](sluice::errgroup& g) -> sluice::task<> {
#ifdef SLUICE_CONTROL
    g.go(one, 1);
#else
    g.go(one(1));
#endif
    co_return;
  };
  static_cast<void>(co_await sluice::errgroup::run(body));
}
