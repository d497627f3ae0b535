// SPDX-License-Identifier: MIT
// The operations on open files, as they lie in the awaiting frame.
//
// Each tries first what the system can do without blocking, in await_suspend: done, the routine does
// not suspend. What is left goes to the worker's reactor; transfers that move a file's position go to
// the blocking pool in turn, see lib/fs/position_lane.hpp. (In a simulation all goes to the reactor.)
#pragma once

#include <sluice/config.hpp>
#include <sluice/detail/io/op_base.hpp>
#include <sluice/detail/sched/op_call.hpp>
#include <sluice/detail/sched/pool_job.hpp>
#include <sluice/error.hpp>
#include <sluice/result.hpp>

#include <coroutine>
#include <cstddef>
#include <cstdint>

namespace sluice::detail {

/// What an operation has to know of a file.
struct file_handle {
  int fd = -1;
  unsigned char kind = 0;        // fs::file_kind
  bool lazily_blocking = false;  // regular, opened by us with O_NONBLOCK: see unblock()
  bool reads_broken = false;     // a read_exact was stopped part-way
  bool writes_broken = false;    // a write_all was
};

/// Why a call is refused before it begins.
enum class refusal : unsigned char { none, closed, broken, bad_offset };

struct transfer_args {
  opcode code;  // read, write, readv, writev
  refusal refused;
  bool lazily_blocking;
  unsigned char kind;  // fs::file_kind
  int fd;
  void* addr;
  std::size_t len;  // bytes, or buffers
  std::uint64_t offset;
};

class SLUICE_EXPORT transfer_op final : public io_op, private pool_job {
 public:
  transfer_op(await_site site, transfer_args args) noexcept;
  ~transfer_op() = default;

  bool await_suspend(std::coroutine_handle<> frame) noexcept;
  sluice::result<std::size_t> await_resume() const;

 private:
  friend class position_lane;  // what runs the job

  bool try_now() noexcept;

  refusal refused_;
  bool lazily_blocking_;
  bool moves_position_;
  bool waits_for_turn_ = false;  // guarded by its lane
};

class SLUICE_EXPORT sync_op final : public io_op {
 public:
  sync_op(await_site site, int fd, bool data_only) noexcept;
  ~sync_op() = default;

  bool await_suspend(std::coroutine_handle<> frame) noexcept;
  sluice::result<void> await_resume() const;
};

inline op_call<transfer_op, transfer_args> transfer(opcode code, const file_handle& h,
                                                    const void* addr, std::size_t len) noexcept {
  const bool broken =
      code == opcode::read || code == opcode::readv ? h.reads_broken : h.writes_broken;
  const refusal refused = h.fd < 0 ? refusal::closed : broken ? refusal::broken : refusal::none;
  return op_call<transfer_op, transfer_args>(transfer_args{code, refused, h.lazily_blocking, h.kind,
                                                           h.fd, const_cast<void*>(addr), len,
                                                           current_position});
}

inline op_call<transfer_op, transfer_args> transfer_at(opcode code, const file_handle& h,
                                                       const void* addr, std::size_t len,
                                                       std::uint64_t offset) noexcept {
  // The system's offsets are signed; its -1 means the descriptor's own position.
  refusal refused = h.fd < 0 ? refusal::closed : refusal::none;
  if ((offset >> 63) != 0) {
    refused = refusal::bad_offset;
    offset = 0;
  }
  return op_call<transfer_op, transfer_args>(transfer_args{
      code, refused, h.lazily_blocking, h.kind, h.fd, const_cast<void*>(addr), len, offset});
}

inline op_call<sync_op, int, bool> sync_call(const file_handle& h, bool data_only) noexcept {
  return op_call<sync_op, int, bool>(h.fd, data_only);
}

/// An error of an operation on a descriptor, which is named by what it stands for.
SLUICE_EXPORT error descriptor_error(int number, const char* operation, int fd,
                                     std::size_t transferred = 0);
SLUICE_EXPORT error descriptor_error(errc cause, const char* operation, int fd,
                                     std::size_t transferred = 0);

}  // namespace sluice::detail
