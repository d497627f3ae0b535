// SPDX-License-Identifier: MIT
// The operations behind what fs::file does in coroutines of its own: open, stat, wait for a fifo.
#pragma once

#include <sluice/detail/io/op_base.hpp>
#include <sluice/detail/sched/op_call.hpp>
#include <sluice/fs/path.hpp>

#include <coroutine>

#include <sys/stat.h>

namespace sluice::detail {

/// Opens `path`. Gives a descriptor, or -errno.
class open_op final : public io_op {
 public:
  open_op(await_site site, const char* path, int flags, unsigned permissions) noexcept;
  ~open_op() = default;

  bool await_suspend(std::coroutine_handle<> frame) noexcept;
  int await_resume() const noexcept { return io_op::result; }

 private:
  bool try_cached() noexcept;
};
using open_call = op_call<open_op, const char*, int, unsigned>;

/// Fills `to` for a path, or, if that is empty, a descriptor. Gives 0 or -errno.
class statx_op final : public io_op {
 public:
  statx_op(await_site site, int fd, const char* path, struct statx* to) noexcept;
  ~statx_op() = default;

  bool await_suspend(std::coroutine_handle<> frame) noexcept;
  int await_resume() const noexcept { return io_op::result; }
};
using statx_call = op_call<statx_op, int, const char*, struct statx*>;

/// Waits until a descriptor can be read or has hung up. Gives poll(2)'s events, or -errno.
class readable_op final : public io_op {
 public:
  readable_op(await_site site, int fd) noexcept;
  ~readable_op() = default;

  bool await_suspend(std::coroutine_handle<> frame) noexcept;
  int await_resume() const noexcept { return io_op::result; }
};
using readable_call = op_call<readable_op, int>;

fs::file_kind file_kind_of(unsigned mode) noexcept;

}  // namespace sluice::detail
