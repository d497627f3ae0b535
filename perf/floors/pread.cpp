// SPDX-License-Identifier: MIT
// The bare system call, from a loop.
#include "floors/floors.hpp"
#include "harness/process.hpp"
#include "harness/scratch_file.hpp"

#include <fcntl.h>
#include <unistd.h>

namespace perf {

namespace {

void read_4k(meter& m, int workers, std::uint64_t n) {
  if (workers != 1) return m.skip();
  const scratch_file file;
  const int fd = ::open(file.path().c_str(), O_RDONLY | O_CLOEXEC);
  alignas(64) char buffer[scratch_file::block];
  std::uint64_t bytes = 0;
  m.start();
  for (std::uint64_t i = 0; i < n; ++i) {
    const auto at = static_cast<off_t>(scatter(i, scratch_file::blocks) * scratch_file::block);
    bytes += static_cast<std::uint64_t>(::pread(fd, buffer, sizeof buffer, at));
  }
  m.stop();
  ::close(fd);
  keep(bytes);
}

constexpr served_row served[] = {{"read_4k_cached", read_4k}};

}  // namespace

std::span<const served_row> pread_rows() {
  return served;
}

}  // namespace perf
