// SPDX-License-Identifier: MIT
// Doing at once what can be done at once, and leaving the rest to the reactor.
#include "fs/file_op.hpp"

#include <sluice/detail/fs/file_op.hpp>
#include <sluice/io/buffer.hpp>

#include "fs/position_lane.hpp"
#include "sched/executor_core.hpp"
#include "sched/wait.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstddef>

#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

namespace sluice::detail {

namespace {

static_assert(sizeof(io::mutable_buffer) == sizeof(iovec) &&
                  sizeof(io::const_buffer) == sizeof(iovec) && offsetof(iovec, iov_base) == 0,
              "spans of buffers are handed to the system as they are");

constexpr wait_kind read_kind = op_kind(wait_reason::read);
constexpr wait_kind write_kind = op_kind(wait_reason::write);
constexpr wait_kind open_kind = op_kind(wait_reason::open);
constexpr wait_kind stat_kind = op_kind(wait_reason::stat);
constexpr wait_kind sync_kind = op_kind(wait_reason::sync);

// The most that one call moves (MAX_RW_COUNT), and the most buffers it takes (UIO_MAXIOV).
constexpr std::size_t most_bytes = 0x7ffff000;
constexpr std::size_t most_buffers = IOV_MAX;

// A routine whose operations are all done at once lets its worker's other work in after this time:
// that is how long a completion is to wait at most.
constexpr duration turn = std::chrono::microseconds(50);

bool is_vectored(opcode c) noexcept {
  return c == opcode::readv || c == opcode::writev;
}
bool is_read(opcode c) noexcept {
  return c == opcode::read || c == opcode::readv;
}

/// Whether the transfer moves a position that is the open file's: streams have none.
bool moves_position(const transfer_args& a) noexcept {
  const auto kind = static_cast<fs::file_kind>(a.kind);
  return a.offset == current_position &&
         (kind == fs::file_kind::regular || kind == fs::file_kind::block_device);
}

/// Whether `result` only says that the system cannot do it without blocking.
/// ENOSYS, EINVAL, EPERM: kernels and sandboxes that do not know the call; the reactor, which makes
/// an older one, has the last word.
bool must_wait(int result) noexcept {
  return result == -EAGAIN || result == -EOPNOTSUPP || result == -ENOSYS || result == -EINVAL ||
         result == -EPERM;
}

template <class Call>
int uninterrupted(Call call) noexcept {
  for (;;) {
    const auto n = call();
    if (n >= 0) return static_cast<int>(n);
    if (errno != EINTR) return -errno;
  }
}

/// A regular file opened with O_NONBLOCK, whose file system knows no RWF_NOWAIT: with the flag, the
/// ring would take it for one that never blocks, and block in the submission.
void unblock(int fd) noexcept {
  const int mode = ::fcntl(fd, F_GETFL);
  if (mode >= 0 && (mode & O_NONBLOCK) != 0) ::fcntl(fd, F_SETFL, mode & ~O_NONBLOCK);
}

bool may_try(const operation& op) noexcept {
  return running_on(op.owner()).ex.tries_at_once();
}

/// The operation is done; lets others have the worker if the routine has had its turn, by the clock:
/// beside a system call it costs little. Returns: whether the routine is suspended.
bool tried_at_once(operation& op, std::coroutine_handle<> frame) noexcept {
  const worker& w = running_on(op.owner());
  if (w.ex.now() - w.now < turn) return false;
  begin_wait(op, frame);
  op.head->hop->end = verdict::yielded;  // a stop request finds nothing to end: the result stands
  return true;
}

constexpr const char* transfer_names[2][4] = {{"pread", "pwrite", "preadv", "pwritev"},
                                              {"read", "write", "readv", "writev"}};

const char* name_of(const io_op& op) noexcept {
  const int at = static_cast<int>(op.code) - static_cast<int>(opcode::read);
  return transfer_names[op.offset == current_position ? 1 : 0][at];
}
static_assert(static_cast<int>(opcode::writev) - static_cast<int>(opcode::read) == 3);

}  // namespace

// ---- read and write

transfer_op::transfer_op(await_site at, transfer_args a) noexcept
    : io_op(at, is_read(a.code) ? read_kind : write_kind, a.code, a.fd),
      refused_(a.refused),
      lazily_blocking_(a.lazily_blocking),
      moves_position_(moves_position(a)) {
  addr = a.addr;
  len =
      static_cast<std::uint32_t>(std::min(a.len, is_vectored(a.code) ? most_buffers : most_bytes));
  offset = a.offset;
}

bool transfer_op::await_suspend(std::coroutine_handle<> frame) noexcept {
  if (head->must_stop()) return refuse(*this, frame), true;
  if (refused_ != refusal::none) return done_at_once(*this, frame);
  position_lane* const lane = moves_position_ ? &position_lane::of(fd) : nullptr;
  if (may_try(*this) && (lane == nullptr || !lane->is_busy()) && try_now()) {
    return tried_at_once(*this, frame);
  }
  if (lane != nullptr && !running_on(owner()).ex.is_simulated()) {
    lane->transfer(*this, frame);  // published: *this may be gone
  } else {
    suspend_on(*this, frame);  // likewise
  }
  return true;
}

bool transfer_op::try_now() noexcept {
  const iovec one{addr, len};
  const bool vectored = is_vectored(code);
  const iovec* const parts = vectored ? static_cast<const iovec*>(addr) : &one;
  const int count = vectored ? static_cast<int>(len) : 1;
  const auto at = static_cast<off_t>(offset);  // -1: its own position, here as there
  io_op::result = uninterrupted([&] {
    return is_read(code) ? ::preadv2(fd, parts, count, at, RWF_NOWAIT)
                         : ::pwritev2(fd, parts, count, at, RWF_NOWAIT);
  });
  if (io_op::result == -EOPNOTSUPP && lazily_blocking_) unblock(fd);
  return !must_wait(io_op::result);
}

sluice::result<std::size_t> transfer_op::await_resume() const {
  switch (refused_) {
    case refusal::none:
      break;
    case refusal::closed:
      return descriptor_error(errc::closed, name_of(*this), -1);
    case refusal::broken:
      return descriptor_error(errc::canceled, name_of(*this), fd);
    case refusal::bad_offset:
      return descriptor_error(EINVAL, name_of(*this), fd);
  }
  if (io_op::result < 0) return descriptor_error(-io_op::result, name_of(*this), fd);
  return static_cast<std::size_t>(io_op::result);
}

// ---- fsync

sync_op::sync_op(await_site at, int descriptor, bool data_only) noexcept
    : io_op(at, sync_kind, opcode::fsync, descriptor) {
  flags = data_only ? 1 : 0;
}

bool sync_op::await_suspend(std::coroutine_handle<> frame) noexcept {
  if (head->must_stop()) return refuse(*this, frame), true;
  if (fd < 0) return done_at_once(*this, frame);
  suspend_on(*this, frame);  // published: *this may be gone
  return true;
}

sluice::result<void> sync_op::await_resume() const {
  const char* const name = flags != 0 ? "fdatasync" : "fsync";
  if (fd < 0) return descriptor_error(errc::closed, name, -1);
  if (io_op::result < 0) return descriptor_error(-io_op::result, name, fd);
  return {};
}

// ---- open, stat, readable

open_op::open_op(await_site at, const char* path, int how, unsigned permissions) noexcept
    : io_op(at, open_kind, opcode::openat, AT_FDCWD) {
  addr = const_cast<char*>(path);
  flags = static_cast<std::uint32_t>(how);
  len = permissions;
}

bool open_op::await_suspend(std::coroutine_handle<> frame) noexcept {
  if (head->must_stop()) return refuse(*this, frame), true;
  if (may_try(*this) && try_cached()) return tried_at_once(*this, frame);
  suspend_on(*this, frame);  // published: *this may be gone
  return true;
}

/// Opens what needs no disk to be found (Linux 5.12) and nobody's consent (O_NONBLOCK).
bool open_op::try_cached() noexcept {
  constexpr std::uint32_t changes_directory = O_CREAT | O_TRUNC;  // not from the cache
  if ((flags & changes_directory) != 0 || (flags & O_NONBLOCK) == 0) return false;
  open_how how{};
  how.flags = flags;
  how.resolve = RESOLVE_CACHED;
  io_op::result = uninterrupted(
      [&] { return ::syscall(SYS_openat2, fd, static_cast<const char*>(addr), &how, sizeof how); });
  return !must_wait(io_op::result);
}

statx_op::statx_op(await_site at, int descriptor, const char* path, struct statx* to) noexcept
    : io_op(at, stat_kind, opcode::statx, descriptor) {
  addr = const_cast<char*>(path);
  addr2 = to;
  len = STATX_BASIC_STATS;
  flags = *path == '\0' ? AT_EMPTY_PATH : 0;
}

bool statx_op::await_suspend(std::coroutine_handle<> frame) noexcept {
  suspend_on(*this, frame);  // published: *this may be gone
  return true;
}

readable_op::readable_op(await_site at, int descriptor) noexcept
    : io_op(at, open_kind, opcode::poll, descriptor) {
  flags = POLLIN;
}

bool readable_op::await_suspend(std::coroutine_handle<> frame) noexcept {
  suspend_on(*this, frame);  // published: *this may be gone
  return true;
}

// ---- names

namespace {

/// What a descriptor stands for, as /proc has it: a path, "pipe:[123]", "socket:[123]".
/// Returns: its length, 0 if that cannot be told.
std::size_t name_descriptor(int fd, char (&name)[PATH_MAX]) noexcept {
  if (fd < 0) return 0;
  char link[32] = "/proc/self/fd/";
  char digits[12];
  std::size_t n = 0;
  for (unsigned rest = static_cast<unsigned>(fd); n == 0 || rest != 0; rest /= 10) {
    digits[n++] = static_cast<char>('0' + rest % 10);
  }
  std::reverse_copy(digits, digits + n, link + 14);
  const ssize_t length = ::readlink(link, name, sizeof name);
  return length > 0 ? static_cast<std::size_t>(length) : 0;
}

}  // namespace

error descriptor_error(int number, const char* operation, int fd, std::size_t transferred) {
  char name[PATH_MAX];
  const std::size_t length = number == EBADF ? 0 : name_descriptor(fd, name);
  if (length == 0) return make_errno_error(number, operation, fd, transferred);
  return make_errno_error(number, operation, std::string_view(name, length), transferred);
}

error descriptor_error(errc cause, const char* operation, int fd, std::size_t transferred) {
  char name[PATH_MAX];
  const std::size_t length = name_descriptor(fd, name);
  return error(cause, operation, {name, length}, transferred);
}

}  // namespace sluice::detail
