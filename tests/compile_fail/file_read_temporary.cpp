// SPDX-License-Identifier: MIT
// expect: buffer: what is read into a temporary container is lost with it: name it first
#include <sluice/fs/file.hpp>

#include <vector>

sluice::task<> f(sluice::fs::file* from) {
#ifdef SLUICE_CONTROL
  std::vector<char> buffer(16);
  static_cast<void>(co_await from->read(buffer));
#else
  static_cast<void>(co_await from->read(std::vector<char>(16)));
#endif
}
