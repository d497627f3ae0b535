// SPDX-License-Identifier: MIT
// From an opcode to the calls that carry it out: one row per opcode, in the order of the enum.
#include "io/op/calls.hpp"

#include <cstddef>
#include <iterator>

#include <poll.h>

namespace sluice::detail {

namespace {

int execute_nop(io_op&) noexcept {
  return 0;
}

attempted try_nop(io_op&) noexcept {
  return {attempt::done, 0, 0};
}

attempted try_file(io_op&) noexcept {
  return {attempt::file, 0, 0};
}

int execute_poll(io_op& op) noexcept {
  return poll_one(op.fd, op.flags, -1);
}

attempted try_poll(io_op& op) noexcept {
  const int events = poll_one(op.fd, op.flags, 0);
  return {events == 0 ? attempt::not_ready : attempt::done, events, 1};
}

struct row {
  int (*execute)(io_op&) noexcept;
  attempted (*attempt)(io_op&) noexcept;
};

constexpr row table[] = {
    {execute_nop, try_nop},      // nop
    {execute_rw, try_rw},        // read
    {execute_rw, try_rw},        // write
    {execute_rw, try_rw},        // readv
    {execute_rw, try_rw},        // writev
    {execute_fsync, try_file},   // fsync
    {execute_openat, try_file},  // openat
    {execute_statx, try_file},   // statx
    {execute_poll, try_poll},    // poll
};
static_assert(std::size(table) == static_cast<std::size_t>(opcode::poll) + 1,
              "every opcode has its row");

const row& row_of(const io_op& op) noexcept {
  return table[static_cast<std::size_t>(op.code)];
}

}  // namespace

int poll_one(int fd, unsigned events, int timeout) noexcept {
  if (fd < 0) return -EBADF;  // poll(2) would pass over it, and wait
  pollfd one{fd, static_cast<short>(events), 0};
  const int n = uninterrupted([&] { return ::poll(&one, 1, timeout); });
  if (n <= 0) return n;
  const auto got = static_cast<unsigned short>(one.revents);
  return (got & POLLNVAL) != 0 ? -EBADF : got;
}

int execute(io_op& op) noexcept {
  return row_of(op).execute(op);
}

attempted try_execute(io_op& op) noexcept {
  return row_of(op).attempt(op);
}

}  // namespace sluice::detail
