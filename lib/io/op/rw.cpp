// SPDX-License-Identifier: MIT
// read, write, readv, writev: the plain calls, and how far they go without blocking.
#include "io/op/calls.hpp"

#include <algorithm>
#include <climits>
#include <mutex>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

namespace sluice::detail {

namespace {

/// What an operation reads or writes, whichever of the four it is.
class transfer {
 public:
  explicit transfer(const io_op& op) noexcept
      : fd_(op.fd),
        writes_(op.code == opcode::write || op.code == opcode::writev),
        own_position_(op.offset == current_position),
        offset_(static_cast<off_t>(op.offset)),
        one_{op.addr, op.len} {
    if (op.code == opcode::readv || op.code == opcode::writev) {
      parts_ = static_cast<const iovec*>(op.addr);
      count_ = static_cast<int>(op.len);
    }
  }
  transfer(const transfer&) = delete;
  transfer& operator=(const transfer&) = delete;

  bool writes() const noexcept { return writes_; }

  /// The call in words: read, write, pread, pwrite and their vectors.
  int plain() const noexcept {
    return uninterrupted([this] {
      if (own_position_) {
        return writes_ ? ::writev(fd_, parts_, count_) : ::readv(fd_, parts_, count_);
      }
      return writes_ ? ::pwritev(fd_, parts_, count_, offset_)
                     : ::preadv(fd_, parts_, count_, offset_);
    });
  }

  /// -EOPNOTSUPP: this file, or this kernel, does not know how.
  int nowait() const noexcept {
    return uninterrupted([this] {
      const off_t at = own_position_ ? -1 : offset_;
      return writes_ ? ::pwritev2(fd_, parts_, count_, at, RWF_NOWAIT)
                     : ::preadv2(fd_, parts_, count_, at, RWF_NOWAIT);
    });
  }

  int socket_nowait() const noexcept {
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(parts_);  // the calls do not write to it
    message.msg_iovlen = static_cast<std::size_t>(count_);
    return uninterrupted([&] {
      return writes_ ? ::sendmsg(fd_, &message, MSG_DONTWAIT)
                     : ::recvmsg(fd_, &message, MSG_DONTWAIT);
    });
  }

  /// Cuts it to its first bytes, at most `most`, which are in one part.
  void cut(std::size_t most) noexcept {
    const iovec* const end = parts_ + count_;
    const iovec* const first =
        std::find_if(parts_, end, [](const iovec& part) { return part.iov_len != 0; });
    one_ = first == end ? iovec{} : iovec{first->iov_base, std::min(first->iov_len, most)};
    parts_ = &one_;
    count_ = 1;
  }

 private:
  int fd_;
  bool writes_;
  bool own_position_;
  off_t offset_;
  iovec one_;
  const iovec* parts_ = &one_;
  int count_ = 1;
};

enum class sort : unsigned char { file, socket, other };

/// Returns: what stands behind a descriptor, by the type of its inode.
sort sort_of(const struct stat& inode) noexcept {
  if (S_ISREG(inode.st_mode) || S_ISDIR(inode.st_mode) || S_ISBLK(inode.st_mode)) return sort::file;
  return S_ISSOCK(inode.st_mode) ? sort::socket : sort::other;
}

attempted ended(int result, unsigned calls) noexcept {
  return {result == -EAGAIN ? attempt::not_ready : attempt::done, result, calls};
}

/// The lock of a descriptor's readers, or of its writers: they exclude each other from look to call.
std::mutex& stream_lock(const io_op& op, bool writes) noexcept {
  constexpr unsigned stripes = 32;  // a blocked one holds up few others; power of two
  static std::mutex locks[stripes];
  return locks[(static_cast<unsigned>(op.fd) * 2 + (writes ? 1 : 0)) % stripes];
}

unsigned readiness_for(const transfer& t) noexcept {
  return t.writes() ? POLLOUT : POLLIN;
}

}  // namespace

int execute_rw(io_op& op) noexcept {
  return transfer(op).plain();
}

attempted try_rw(io_op& op) noexcept {
  const transfer t(op);
  const int at_once = t.nowait();
  // ENOSYS: from C libraries other than glibc, which makes it EOPNOTSUPP: Linux before 4.6.
  if (at_once != -EOPNOTSUPP && at_once != -ENOSYS) return ended(at_once, 1);

  struct stat inode;
  if (::fstat(op.fd, &inode) != 0) return {attempt::done, -errno, 2};
  switch (sort_of(inode)) {
    case sort::file:
      return {attempt::file, 0, 2};
    case sort::socket:
      return ended(t.socket_nowait(), 3);
    case sort::other:
      break;
  }
  const int mode = ::fcntl(op.fd, F_GETFL);
  if (mode >= 0 && (mode & O_NONBLOCK) != 0) return ended(t.plain(), 4);
  const int events = poll_one(op.fd, readiness_for(t), 0);
  if (events < 0) return {attempt::done, events, 4};
  return {events == 0 ? attempt::not_ready : attempt::stream, 0, 4};
}

int execute_ready(io_op& op) noexcept {
  transfer t(op);
  const std::lock_guard held(stream_lock(op, t.writes()));
  const int events = poll_one(op.fd, readiness_for(t), 0);
  if (events <= 0) return events == 0 ? -EAGAIN : events;
  struct stat inode;
  if (t.writes() && ::fstat(op.fd, &inode) == 0 && S_ISFIFO(inode.st_mode)) t.cut(PIPE_BUF);
  return t.plain();
}

}  // namespace sluice::detail
