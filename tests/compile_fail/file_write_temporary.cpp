// SPDX-License-Identifier: MIT
// expect: buffer: the bytes of a temporary container may be gone before they are written: name it first
#include <sluice/fs/file.hpp>

#include <string>

sluice::task<> f(sluice::fs::file* to) {
#ifdef SLUICE_CONTROL
  const std::string text(16, 'x');
  static_cast<void>(co_await to->write(text));
#else
  static_cast<void>(co_await to->write(std::string(16, 'x')));
#endif
}
