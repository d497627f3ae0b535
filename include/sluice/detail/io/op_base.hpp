// SPDX-License-Identifier: MIT
// An I/O operation as every reactor understands it: one system call's worth of arguments.
//
// The io_uring reactor turns it into a submission, the epoll reactor into a try, a registration or a
// job of the blocking pool, the simulation into a call at a moment of its own choosing.
#pragma once

#include <sluice/detail/sched/operation.hpp>

#include <cstdint>

namespace sluice::detail {

/// What an operation asks for, and which fields it reads; all use `fd`.
///   code     system call it equals             addr        len      offset     flags     addr2
///   nop      none; result 0
///   read     pread(2), read(2) at current_position      bytes       length   offset
///   write    pwrite(2), write(2)               bytes       length   offset
///   readv    preadv(2), readv(2)               iovec[]     count    offset
///   writev   pwritev(2), writev(2)             iovec[]     count    offset
///   fsync    fsync(2), fdatasync(2) if flags & 1
///   openat   openat(2)                         path        mode                O_*
///   statx    statx(2)                          path        mask                AT_*      statx*
///   poll     poll(2) of one descriptor; result: revents                        events
enum class opcode : std::uint8_t { nop, read, write, readv, writev, fsync, openat, statx, poll };

/// `offset` of read, write, readv, writev: at the descriptor's own position (pipes, terminals).
inline constexpr std::uint64_t current_position = ~std::uint64_t{0};

class io_op : public operation {
 public:
  io_op(await_site s, const wait_kind& k, opcode c, int descriptor) noexcept
      : operation(s, k), code(c), fd(descriptor) {}

  opcode code;
  int fd;
  std::uint32_t len = 0;
  std::uint32_t flags = 0;
  std::uint64_t offset = 0;
  void* addr = nullptr;
  void* addr2 = nullptr;

 protected:
  ~io_op() = default;
};

/// The wait_kind of operations: the reason given, the object `fd`-less (dumps print the operation).
inline constexpr wait_kind op_kind(wait_reason reason) noexcept {
  return {reason, nullptr, post_stop_request, nullptr};
}

}  // namespace sluice::detail
