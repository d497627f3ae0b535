// SPDX-License-Identifier: MIT
// A routine may outlive the text that a string_view refers to.
// expect: go: arguments are values
#include <sluice/context.hpp>

#include <string>
#include <string_view>

sluice::task<> use(std::string_view) {
  co_return;
}

sluice::task<> user(std::string_view s) {
#ifdef SLUICE_CONTROL
  sluice::go_in(sluice::context::background(), use, std::string(s));
#else
  sluice::go_in(sluice::context::background(), use, s);
#endif
  co_return;
}
