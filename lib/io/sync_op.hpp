// SPDX-License-Identifier: MIT
// An io_op carried out by the thread that calls: to its end, or as far as it goes without blocking.
//
// This is all that reactors without a ring know of opcodes. Nothing here completes an operation or
// keeps it. Threads: any, one at a time for one operation. SIGPIPE is raised as by the calls
// themselves: workers and the pool's threads block it.
#pragma once

#include <sluice/detail/io/op_base.hpp>

namespace sluice::detail {

/// Makes the operation's system call, which may block; repeats it when a signal interrupts it.
/// Returns: its result, or -errno; -EAGAIN where a descriptor in non-blocking mode is not ready.
[[nodiscard]] int execute(io_op& op) noexcept;

/// How far an operation came without blocking.
enum class attempt : unsigned char {
  done,       // it has ended with `result`
  not_ready,  // had no effect: again when the descriptor is ready
  file,       // had no effect: takes a thread that may block, by execute()
  stream,     // had no effect: ready, but takes a thread that may block, by execute_ready()
};

struct attempted {
  attempt what = attempt::done;
  int result = 0;      // of `done`: the operation's, or -errno
  unsigned calls = 0;  // system calls made
};

/// Tries the operation without blocking.
/// Reads and writes use RWF_NOWAIT where the file knows it (regular files: what the page cache has,
/// which can be less than there is), MSG_DONTWAIT on other sockets, and the plain call on descriptors
/// in non-blocking mode. A descriptor in blocking mode that knows none of this (terminals, fifos,
/// pipes before Linux 6.4) is `stream` once poll(2) calls it ready: between the look and the call
/// somebody else may use up what made it ready, and the call would block.
[[nodiscard]] attempted try_execute(io_op& op) noexcept;

/// Ends an operation that was found to be `stream`: looks again and makes the call. Operations of
/// this process exclude each other meanwhile, so that it blocks only if another process uses the
/// same pipe or terminal, or if a terminal takes up less than it is given. Writes at most PIPE_BUF
/// bytes to pipes, which they take without blocking when they are ready.
/// Returns: as execute(); -EAGAIN: not ready any more.
[[nodiscard]] int execute_ready(io_op& op) noexcept;

}  // namespace sluice::detail
