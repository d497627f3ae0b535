// SPDX-License-Identifier: MIT
// g++ 12 destroys the captures of the temporary twice (GCC PR99576).
// compiler: gcc
// expect: name it first, or capture by reference
#include <sluice/blocking.hpp>
#include <sluice/task.hpp>

#include <string>

sluice::task<> user(std::string s) {
#ifdef SLUICE_CONTROL
  auto call = [s] { return s.size(); };
  static_cast<void>(co_await sluice::blocking(call));
#else
  static_cast<void>(co_await sluice::blocking([s] { return s.size(); }));
#endif
}
