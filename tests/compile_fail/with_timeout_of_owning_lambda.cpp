// SPDX-License-Identifier: MIT
// g++ 12 destroys the captures of the temporary twice (GCC PR99576).
// compiler: gcc
// expect: name it first, or capture by reference
#include <sluice/context.hpp>

#include <chrono>
#include <string>

sluice::task<> user(std::string s) {
#ifdef SLUICE_CONTROL
  auto work = [s]() -> sluice::task<std::size_t> { co_return s.size(); };
  static_cast<void>(co_await sluice::with_timeout(std::chrono::seconds(1), work));
#else
  static_cast<void>(co_await sluice::with_timeout(
      std::chrono::seconds(1), [s]() -> sluice::task<std::size_t> { co_return s.size(); }));
#endif
}
