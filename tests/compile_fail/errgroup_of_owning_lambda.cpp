// SPDX-License-Identifier: MIT
// g++ 12 destroys the captures of the temporary twice (GCC PR99576).
// compiler: gcc
// expect: name it first, or capture by reference
#include <sluice/errgroup.hpp>

#include <string>

sluice::task<> use(std::string s);

sluice::task<> user(std::string s) {
#ifdef SLUICE_CONTROL
  auto body = [s](sluice::errgroup& g) -> sluice::task<> {
    g.go(use, s);
    co_return;
  };
  static_cast<void>(co_await sluice::errgroup::run(body));
#else
  static_cast<void>(co_await sluice::errgroup::run([s](sluice::errgroup& g) -> sluice::task<> {
    g.go(use, s);
    co_return;
  }));
#endif
}
