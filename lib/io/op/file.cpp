// SPDX-License-Identifier: MIT
// fsync, openat, statx: what concerns files as a whole and never ends by readiness.
#include "io/op/calls.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sluice::detail {

namespace {

constexpr std::uint32_t data_only = 1;  // op_base.hpp: fdatasync(2)

}  // namespace

int execute_fsync(io_op& op) noexcept {
  return uninterrupted(
      [&] { return (op.flags & data_only) != 0 ? ::fdatasync(op.fd) : ::fsync(op.fd); });
}

int execute_openat(io_op& op) noexcept {
  return uninterrupted([&] {
    return ::openat(op.fd, static_cast<const char*>(op.addr), static_cast<int>(op.flags),
                    static_cast<mode_t>(op.len));
  });
}

int execute_statx(io_op& op) noexcept {
  return uninterrupted([&] {
    return ::statx(op.fd, static_cast<const char*>(op.addr), static_cast<int>(op.flags), op.len,
                   static_cast<struct statx*>(op.addr2));
  });
}

}  // namespace sluice::detail
