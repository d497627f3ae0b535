// SPDX-License-Identifier: MIT
// Operations of a reactor that a routine can await, below the descriptors' own types; a pipe.
#pragma once

#include <sluice/detail/io/op_base.hpp>
#include <sluice/detail/sched/op_call.hpp>

#include <coroutine>
#include <cstdint>
#include <cstdlib>

#include <poll.h>
#include <unistd.h>

namespace sluice_test {

/// co_await gives the reactor's result.
class await_op final : public sluice::detail::io_op {
 public:
  using opcode = sluice::detail::opcode;

  await_op(sluice::detail::await_site s, opcode c, int from, void* buffer, std::uint32_t bytes)
      : io_op(s, c == opcode::poll ? poll_kind : read_kind, c, from) {
    if (c == opcode::poll) flags = POLLIN;
    addr = buffer;
    len = bytes;
    offset = sluice::detail::current_position;
  }
  ~await_op() = default;
  void await_suspend(std::coroutine_handle<> frame) noexcept {
    sluice::detail::suspend_on(*this, frame);
  }
  int await_resume() const noexcept { return result; }

 private:
  static constexpr sluice::detail::wait_kind poll_kind =
      sluice::detail::op_kind(sluice::wait_reason::poll);
  static constexpr sluice::detail::wait_kind read_kind =
      sluice::detail::op_kind(sluice::wait_reason::read);
};

using op_of = sluice::detail::op_call<await_op, sluice::detail::opcode, int, void*, std::uint32_t>;

inline op_of read_some(int fd, void* buffer, std::uint32_t bytes) {
  return op_of(sluice::detail::opcode::read, fd, buffer, bytes);
}
inline op_of readable(int fd) {
  return op_of(sluice::detail::opcode::poll, fd, nullptr, 0);
}

class pipe_pair {
 public:
  pipe_pair() {
    if (::pipe(ends_) != 0) std::abort();
  }
  pipe_pair(const pipe_pair&) = delete;
  pipe_pair& operator=(const pipe_pair&) = delete;
  ~pipe_pair() {
    ::close(ends_[0]);
    ::close(ends_[1]);
  }
  int reader() const noexcept { return ends_[0]; }
  bool put(char c) const noexcept { return ::write(ends_[1], &c, 1) == 1; }

 private:
  int ends_[2];
};

}  // namespace sluice_test
