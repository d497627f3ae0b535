// SPDX-License-Identifier: MIT
// What a string_view refers to may go before the routine does.
// expect: go: arguments are values: pass a std::string for a string_view
#include <sluice/go.hpp>

#include <string>
#include <string_view>

sluice::task<> f(std::string_view) {
  co_return;
}

void user(const std::string& s) {
#ifdef SLUICE_CONTROL
  sluice::go(f, s);
#else
  sluice::go(f, std::string_view(s));
#endif
}
