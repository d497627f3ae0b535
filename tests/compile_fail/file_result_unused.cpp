// SPDX-License-Identifier: MIT
// compiler: clang
// expect: ignoring return value of function declared with 'nodiscard' attribute
#include <sluice/fs/file.hpp>

sluice::task<> f(sluice::fs::file* to) {
#ifdef SLUICE_CONTROL
  auto n = co_await to->write("text");
  if (!n) co_return;
#else
  co_await to->write("text");
#endif
}
