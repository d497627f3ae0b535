// SPDX-License-Identifier: MIT
// g++ 12 destroys the captures of the temporary twice (GCC PR99576).
// compiler: gcc
// expect: name it first, or capture by reference
#include <sluice/on.hpp>

#include <string>

sluice::task<> user(sluice::executor& ex, std::string s) {
#ifdef SLUICE_CONTROL
  auto work = [s]() -> sluice::task<std::size_t> { co_return s.size(); };
  static_cast<void>(co_await sluice::on(ex, work));
#else
  static_cast<void>(
      co_await sluice::on(ex, [s]() -> sluice::task<std::size_t> { co_return s.size(); }));
#endif
}
