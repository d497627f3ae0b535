// SPDX-License-Identifier: MIT
// The parts of sync_op.hpp, by family of opcodes; op/execute.cpp chooses among them.
#pragma once

#include "io/sync_op.hpp"

#include <cerrno>

namespace sluice::detail {

/// Makes a system call until no signal interrupts it. Returns: its result, or -errno.
template <class Call>
int uninterrupted(Call call) noexcept {
  for (;;) {
    const auto n = call();
    if (n >= 0) return static_cast<int>(n);  // the kernel moves at most 2^31 - 4096 bytes a call
    if (errno != EINTR) return -errno;
  }
}

/// poll(2) of one descriptor for at most `timeout` ms, -1 for ever. Returns: revents, 0 when none
/// has come, or -errno: -EBADF where poll(2) reports POLLNVAL, as a ring does.
int poll_one(int fd, unsigned events, int timeout) noexcept;

/// read, write, readv, writev.
int execute_rw(io_op& op) noexcept;
attempted try_rw(io_op& op) noexcept;

/// fsync, openat, statx: always the affair of a thread that may block.
int execute_fsync(io_op& op) noexcept;
int execute_openat(io_op& op) noexcept;
int execute_statx(io_op& op) noexcept;

}  // namespace sluice::detail
