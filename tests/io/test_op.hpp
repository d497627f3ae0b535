// SPDX-License-Identifier: MIT
// Operations without a routine, and descriptors to use them on.
#pragma once

#include <sluice/detail/io/op_base.hpp>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

namespace sluice_test {

inline constexpr sluice::detail::wait_kind no_wait{sluice::wait_reason::none, nullptr, nullptr,
                                                   nullptr};

/// An operation that remembers how it ended.
struct test_op : sluice::detail::io_op {
  using opcode = sluice::detail::opcode;

  explicit test_op(opcode c, int descriptor = -1) : io_op({nullptr, {}}, no_wait, c, descriptor) {}

  virtual ~test_op() = default;

  void finish(int r) {
    got = r;
    ends.fetch_add(1, std::memory_order_release);
  }
  bool ended() const { return ends.load(std::memory_order_acquire) != 0; }

  std::atomic<int> ends{0};
  int got = -9999;
  int turn = -1;            // how many had ended before it
  void* context = nullptr;  // the test's
};

struct read_op : test_op {
  explicit read_op(int descriptor, std::size_t most = 64,
                   std::uint64_t at = sluice::detail::current_position)
      : test_op(opcode::read, descriptor), buffer(most, '\0') {
    addr = buffer.data();
    len = static_cast<std::uint32_t>(most);
    offset = at;
  }
  std::string_view text() const {
    return got > 0 ? std::string_view(buffer.data(), static_cast<std::size_t>(got))
                   : std::string_view();
  }
  std::string buffer;
};

struct write_op : test_op {
  write_op(int descriptor, std::string what, std::uint64_t at = sluice::detail::current_position)
      : test_op(opcode::write, descriptor), buffer(std::move(what)) {
    addr = buffer.data();
    len = static_cast<std::uint32_t>(buffer.size());
    offset = at;
  }
  std::string buffer;
};

struct poll_op : test_op {
  poll_op(int descriptor, unsigned events) : test_op(opcode::poll, descriptor) { flags = events; }
};

/// readv or writev over two halves of a buffer.
struct vector_op : test_op {
  vector_op(opcode c, int descriptor, std::string what,
            std::uint64_t at = sluice::detail::current_position)
      : test_op(c, descriptor), buffer(std::move(what)) {
    const std::size_t half = buffer.size() / 2;
    parts = {iovec{buffer.data(), half}, iovec{buffer.data() + half, buffer.size() - half}};
    addr = parts.data();
    len = 2;
    offset = at;
  }
  std::string buffer;
  std::array<iovec, 2> parts;
};

/// Owns a descriptor.
class owned_fd {
 public:
  explicit owned_fd(int fd = -1) : fd_(fd) {}
  owned_fd(owned_fd&& o) noexcept : fd_(std::exchange(o.fd_, -1)) {}
  owned_fd& operator=(owned_fd&& o) noexcept {
    std::swap(fd_, o.fd_);
    return *this;
  }
  ~owned_fd() { reset(); }
  operator int() const { return fd_; }
  void reset() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

 private:
  int fd_;
};

struct test_pipe {
  explicit test_pipe(int flags = 0) {
    int fds[2];
    if (::pipe2(fds, flags | O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
    in = owned_fd(fds[0]);
    out = owned_fd(fds[1]);
  }
  void put(std::string_view text) const {
    if (::write(out, text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
      throw std::runtime_error("write");
    }
  }
  owned_fd in, out;
};

/// The two sides of a terminal; the user's side is raw, so that each byte is readable at once.
struct test_terminal {
  test_terminal() {
    user = owned_fd(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
    if (user < 0 || ::grantpt(user) != 0 || ::unlockpt(user) != 0) return;
    char name[64];
    if (::ptsname_r(user, name, sizeof name) != 0) return;
    program = owned_fd(::open(name, O_RDWR | O_NOCTTY | O_CLOEXEC));
  }
  explicit operator bool() const { return program >= 0; }
  owned_fd user, program;
};

/// Blocks until a thread of this process sleeps in a system call.
inline void until_asleep(pid_t tid) {
  const std::string path = "/proc/self/task/" + std::to_string(tid) + "/stat";
  for (char state = 'R'; state != 'S';) {
    const owned_fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    char text[512];
    const ssize_t n = ::read(fd, text, sizeof text);
    const std::string_view all(text, n > 0 ? static_cast<std::size_t>(n) : 0);
    const std::size_t end = all.rfind(')');
    if (end != all.npos && end + 2 < all.size()) state = all[end + 2];
    if (state != 'S') std::this_thread::yield();
  }
}

/// An empty directory, removed with the files in it.
class test_dir {
 public:
  test_dir() {
    char name[] = "/tmp/sluice_io_XXXXXX";
    if (::mkdtemp(name) == nullptr) throw std::runtime_error("mkdtemp");
    path_ = name;
  }
  test_dir(const test_dir&) = delete;
  test_dir& operator=(const test_dir&) = delete;
  ~test_dir() {
    for (const char* const name : {"file", "fifo", "other"})
      ::unlink((path_ + "/" + name).c_str());
    ::rmdir(path_.c_str());
  }
  std::string operator/(const char* name) const { return path_ + "/" + name; }

  owned_fd file(std::string_view content = {}) const {
    owned_fd fd(::open((*this / "file").c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (::pwrite(fd, content.data(), content.size(), 0) != static_cast<ssize_t>(content.size())) {
      throw std::runtime_error("pwrite");
    }
    return fd;
  }
  /// A fifo, open for both in blocking mode: a descriptor without RWF_NOWAIT.
  owned_fd fifo() const {
    const std::string path = *this / "fifo";
    ::mkfifo(path.c_str(), 0600);
    return owned_fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  }

 private:
  std::string path_;
};

}  // namespace sluice_test
