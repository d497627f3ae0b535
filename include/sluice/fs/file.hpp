// SPDX-License-Identifier: MIT
// fs::file: an open file, pipe or device, read and written by routines.
//
// One API over three ways of doing it: what the page cache or a pipe can serve at once is done on the
// spot (RWF_NOWAIT, RESOLVE_CACHED); what cannot is left to the worker's ring or, without io_uring, to
// readiness and the blocking pool. No call here blocks the worker, but close() (see there).
#pragma once

#include <sluice/config.hpp>
#include <sluice/detail/fs/file_op.hpp>
#include <sluice/fs/path.hpp>
#include <sluice/io/buffer.hpp>
#include <sluice/result.hpp>
#include <sluice/task.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace sluice::fs {

/// How a file is opened. `file::open(path, {.write = true, .create = true})`.
struct open_options {
  bool read = true;
  bool write = false;
  bool append = false;          // every write goes to the end; implies write
  bool create = false;          // make it if there is none
  bool exclusive = false;       // with create: fail with EEXIST if there is one
  bool truncate = false;        // with write: to length 0
  bool follow = true;           // false: fail with ELOOP if the last component is a symbolic link
  unsigned permissions = 0666;  // of a file that is made, less the process's umask
};
static_assert(std::is_trivially_destructible_v<open_options>,
              "g++ 12 destroys aggregates with destructors twice in expressions that await");

/// An open file. Owns its descriptor: the destructor closes it.
///
/// Reads and writes without an offset use and move the descriptor's position, as read(2) does; those
/// with one leave it alone, and may run side by side. Several at the position of one regular file are
/// done one after another: none overwrites another, none reads what another has read.
/// Returns: bytes moved, which may be fewer than asked for, as the system's call; 0 from a read: the
/// end of the file. At most 2^31 - 4096 bytes, and 1024 buffers, are moved by one call.
/// Errors: the operation, what the descriptor stands for (/proc's name of it) and the cause; errc::
/// closed after close() or a move. Nothing throws.
/// Cancellation: every wait is one; an operation that moved bytes delivers, then the next wait stops.
/// Threads: several routines may use one file at a time; moving, closing and destroying exclude use.
/// Lifetime: file and buffers must outlive the awaited operation.
/// Cost: no allocation. Cached reads about 1 us for 4 KiB and without suspending.
class SLUICE_EXPORT file {
 public:
  /// Refers to nothing.
  file() noexcept = default;
  file(file&& other) noexcept
      : handle_(std::exchange(other.handle_, {})), owned_(std::exchange(other.owned_, false)) {}
  file& operator=(file&& other) noexcept;
  ~file();

  /// Opens a file. Its descriptor is closed on exec, and in non-blocking mode.
  /// A fifo that is opened to read only is opened once somebody writes to it; one opened to write only
  /// fails with ENXIO while nobody reads it.
  /// Errors: "open <path>" with the system's cause; EINVAL: a NUL in the path, options that ask for
  /// neither reading nor writing, truncate without write.
  /// Cancellation: ends stopped; a file that was opened all the same is closed.
  /// Cost: a path the system has cached is opened on the spot.
  static task<result<file>> open(path_view path, open_options options = {});

  /// Opens a file to read and write, made or truncated: open with {write, create, truncate}.
  static task<result<file>> create(path_view path, unsigned permissions = 0666);

  /// Takes over an open descriptor: the file closes it.
  static file adopt(int fd) noexcept { return file(fd, true); }
  /// Uses a descriptor that stays the caller's: the file does not close it.
  static file borrow(int fd) noexcept { return file(fd, false); }

  auto read(io::mutable_buffer to) const noexcept;
  auto pread(io::mutable_buffer to, std::uint64_t offset) const noexcept;
  auto readv(io::mutable_buffers to) const noexcept;
  auto preadv(io::mutable_buffers to, std::uint64_t offset) const noexcept;

  auto write(io::const_buffer from) const noexcept;
  auto pwrite(io::const_buffer from, std::uint64_t offset) const noexcept;
  auto writev(io::const_buffers from) const noexcept;
  auto pwritev(io::const_buffers from, std::uint64_t offset) const noexcept;

  /// Fills the buffer. Errors: errc::end_of_stream if the file ends before; all errors tell the bytes
  /// transferred. One operation: a stop part-way leaves the stream between two messages, so that all
  /// reads without an offset fail with errc::canceled from then on.
  task<result<void>> read_exact(io::mutable_buffer to);
  task<result<void>> pread_exact(io::mutable_buffer to, std::uint64_t offset) const;

  /// Writes all of the buffer. Errors tell the bytes transferred. As read_exact when it is stopped
  /// part-way.
  task<result<void>> write_all(io::const_buffer from);
  task<result<void>> pwrite_all(io::const_buffer from, std::uint64_t offset) const;

  /// Waits until what was written is on the device: `result<void>`. fdatasync leaves out what is not
  /// needed to read it again. Cancellation: waits for its end, delivers.
  auto fsync() const noexcept;
  auto fdatasync() const noexcept;

  /// What the system knows of it. Suspends: always.
  task<result<file_info>> stat() const;
  /// Its length in bytes; 0 for what has none.
  task<result<std::uint64_t>> size() const;

  /// Closes it now. Returns: what the system says of earlier writes that failed (EIO, ENOSPC, EDQUOT);
  /// the descriptor is gone in any case. Nothing if it refers to nothing or is borrowed.
  /// Blocks the worker where the file system does more than drop a reference (NFS, FUSE): there, and
  /// where the error matters, `co_await f.fsync()` first.
  result<void> close() noexcept;

  /// Whether it refers to an open descriptor.
  explicit operator bool() const noexcept { return handle_.fd >= 0; }
  /// The descriptor, which stays the file's; -1 if none.
  int fd() const noexcept { return handle_.fd; }
  /// Gives the descriptor up to the caller, who closes it.
  int release() noexcept;
  file_kind kind() const noexcept;

 private:
  file(int fd, bool owned) noexcept;

  detail::file_handle handle_;
  bool owned_ = false;
};

/// The process's own streams, borrowed: descriptors 0, 1 and 2. In blocking mode, as they are shared
/// with other processes.
SLUICE_EXPORT file standard_input() noexcept;
SLUICE_EXPORT file standard_output() noexcept;
SLUICE_EXPORT file standard_error() noexcept;

// Implementation

inline auto file::read(io::mutable_buffer to) const noexcept {
  return detail::transfer(detail::opcode::read, handle_, to.data(), to.size());
}
inline auto file::pread(io::mutable_buffer to, std::uint64_t offset) const noexcept {
  return detail::transfer_at(detail::opcode::read, handle_, to.data(), to.size(), offset);
}
inline auto file::readv(io::mutable_buffers to) const noexcept {
  return detail::transfer(detail::opcode::readv, handle_, to.data(), to.size());
}
inline auto file::preadv(io::mutable_buffers to, std::uint64_t offset) const noexcept {
  return detail::transfer_at(detail::opcode::readv, handle_, to.data(), to.size(), offset);
}
inline auto file::write(io::const_buffer from) const noexcept {
  return detail::transfer(detail::opcode::write, handle_, from.data(), from.size());
}
inline auto file::pwrite(io::const_buffer from, std::uint64_t offset) const noexcept {
  return detail::transfer_at(detail::opcode::write, handle_, from.data(), from.size(), offset);
}
inline auto file::writev(io::const_buffers from) const noexcept {
  return detail::transfer(detail::opcode::writev, handle_, from.data(), from.size());
}
inline auto file::pwritev(io::const_buffers from, std::uint64_t offset) const noexcept {
  return detail::transfer_at(detail::opcode::writev, handle_, from.data(), from.size(), offset);
}
inline auto file::fsync() const noexcept {
  return detail::sync_call(handle_, false);
}
inline auto file::fdatasync() const noexcept {
  return detail::sync_call(handle_, true);
}

}  // namespace sluice::fs
