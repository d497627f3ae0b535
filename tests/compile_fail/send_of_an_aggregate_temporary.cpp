// SPDX-License-Identifier: MIT
// g++ 12 destroys the temporary twice (GCC PR107288).
// compiler: gcc
// expect: write c.emplace(args...), or give T a constructor
#include <sluice/chan.hpp>
#include <sluice/task.hpp>

#include <string>

struct pair_of_strings {
  std::string a;
  std::string b;
};

sluice::task<> user(sluice::chan<pair_of_strings> c) {
#ifdef SLUICE_CONTROL
  static_cast<void>(co_await c.emplace("a", "b"));
#else
  static_cast<void>(co_await c.send(pair_of_strings{"a", "b"}));
#endif
}
