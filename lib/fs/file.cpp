// SPDX-License-Identifier: MIT
// Opening, closing, telling of files; the transfers that are made of several operations.
#include <sluice/fs/file.hpp>

#include "fs/file_op.hpp"

#include <cerrno>
#include <string>
#include <system_error>

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sluice {

namespace detail {

fs::file_kind file_kind_of(unsigned mode) noexcept {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return fs::file_kind::regular;
    case S_IFDIR:
      return fs::file_kind::directory;
    case S_IFLNK:
      return fs::file_kind::symlink;
    case S_IFIFO:
      return fs::file_kind::fifo;
    case S_IFSOCK:
      return fs::file_kind::socket;
    case S_IFBLK:
      return fs::file_kind::block_device;
    case S_IFCHR:
      return fs::file_kind::character_device;
    default:
      return fs::file_kind::unknown;
  }
}

namespace {

/// A path that ends with a NUL.
class c_path {
 public:
  explicit c_path(fs::path_view path) : view_(path.text()) {
    if (!path.ends_with_nul()) copy_ = view_;
    text_ = path.ends_with_nul() ? view_.data() : copy_.c_str();
  }
  c_path(const c_path&) = delete;
  c_path& operator=(const c_path&) = delete;

  const char* c_str() const noexcept { return text_; }
  bool has_nul_inside() const noexcept { return view_.find('\0') != view_.npos; }

 private:
  std::string_view view_;
  std::string copy_;
  const char* text_;
};

/// What stands behind a descriptor: known to the system without asking a disk.
fs::file_kind kind_of_descriptor(int fd) noexcept {
  struct stat inode;
  return ::fstat(fd, &inode) == 0 ? file_kind_of(inode.st_mode) : fs::file_kind::unknown;
}

/// open(2)'s flags; -EINVAL if the options contradict each other.
int flags_of(const fs::open_options& o) noexcept {
  const bool writes = o.write || o.append;
  if ((!o.read && !writes) || (o.truncate && !writes)) return -EINVAL;
  int flags = O_CLOEXEC | O_NOCTTY | (writes ? (o.read ? O_RDWR : O_WRONLY) : O_RDONLY);
  if (o.append) flags |= O_APPEND;
  if (o.create) flags |= O_CREAT;
  if (o.create && o.exclusive) flags |= O_EXCL;
  if (o.truncate) flags |= O_TRUNC;
  if (!o.follow) flags |= O_NOFOLLOW;
  return flags;
}

/// Marks one direction of a file as broken unless the transfer comes to its end.
class stream_guard {
 public:
  stream_guard(bool& broken, const std::size_t& moved) noexcept : broken_(broken), moved_(moved) {}
  stream_guard(const stream_guard&) = delete;
  stream_guard& operator=(const stream_guard&) = delete;
  ~stream_guard() {
    if (!ended_ && moved_ != 0) broken_ = true;
  }
  void end() noexcept { ended_ = true; }

 private:
  bool& broken_;
  const std::size_t& moved_;
  bool ended_ = false;
};

error with_transferred(const error& e, int fd, std::size_t moved) {
  if (e.code().category() == std::system_category()) {
    return descriptor_error(e.code().value(), e.operation(), fd, moved);
  }
  return error(e.code(), e.operation(), e.object(), moved);
}

op_call<transfer_op, transfer_args> next_part(opcode code, const file_handle& h, const void* at,
                                              std::size_t left, std::uint64_t offset,
                                              std::size_t moved) noexcept {
  return offset == current_position ? transfer(code, h, at, left)
                                    : transfer_at(code, h, at, left, offset + moved);
}

/// Fills `to`, at `offset` or at the descriptor's position.
task<result<void>> fill(file_handle h, io::mutable_buffer to, std::uint64_t offset,
                        std::size_t* moved) {
  while (*moved < to.size()) {
    std::byte* const at = to.data() + *moved;
    const std::size_t left = to.size() - *moved;
    auto n = co_await next_part(opcode::read, h, at, left, offset, *moved);
    if (!n) co_return with_transferred(n.error(), h.fd, *moved);
    if (*n == 0) {
      co_return descriptor_error(errc::end_of_stream, offset == current_position ? "read" : "pread",
                                 h.fd, *moved);
    }
    *moved += *n;
  }
  co_return result<void>();
}

task<result<void>> drain(file_handle h, io::const_buffer from, std::uint64_t offset,
                         std::size_t* moved) {
  while (*moved < from.size()) {
    const std::byte* const at = from.data() + *moved;
    const std::size_t left = from.size() - *moved;
    auto n = co_await next_part(opcode::write, h, at, left, offset, *moved);
    if (!n) co_return with_transferred(n.error(), h.fd, *moved);
    if (*n == 0) {  // of no file that is known; it must not become a loop for ever
      co_return descriptor_error(EIO, offset == current_position ? "write" : "pwrite", h.fd,
                                 *moved);
    }
    *moved += *n;
  }
  co_return result<void>();
}

fs::file_info info_of(const struct statx& s) noexcept {
  using namespace std::chrono;
  fs::file_info info{};
  info.kind = file_kind_of(s.stx_mode);
  info.size = s.stx_size;
  info.permissions = s.stx_mode & 07777u;
  info.device = std::uint64_t{s.stx_dev_major} << 32 | s.stx_dev_minor;
  info.inode = s.stx_ino;
  info.links = s.stx_nlink;
  info.user = s.stx_uid;
  info.group = s.stx_gid;
  info.modified =
      sys_time<nanoseconds>(seconds(s.stx_mtime.tv_sec) + nanoseconds(s.stx_mtime.tv_nsec));
  return info;
}

}  // namespace
}  // namespace detail

namespace fs {

std::string_view to_string(file_kind kind) noexcept {
  switch (kind) {
    case file_kind::unknown:
      return "unknown";
    case file_kind::regular:
      return "regular file";
    case file_kind::directory:
      return "directory";
    case file_kind::symlink:
      return "symbolic link";
    case file_kind::fifo:
      return "fifo";
    case file_kind::socket:
      return "socket";
    case file_kind::block_device:
      return "block device";
    case file_kind::character_device:
      return "character device";
  }
  return "unknown";
}

// ---- life

file::file(int fd, bool owned) noexcept : owned_(owned) {
  handle_.fd = fd;
  handle_.kind = static_cast<unsigned char>(detail::kind_of_descriptor(fd));
}

file& file::operator=(file&& other) noexcept {
  if (this == &other) return *this;
  static_cast<void>(close());
  handle_ = std::exchange(other.handle_, {});
  owned_ = std::exchange(other.owned_, false);
  return *this;
}

file::~file() {
  if (owned_) ::close(handle_.fd);
}

result<void> file::close() noexcept {
  const bool owned = owned_;
  const int fd = release();
  if (!owned || ::close(fd) == 0) return {};
  // EINTR: the descriptor is gone all the same, and nothing is known to have failed.
  if (errno == EINTR) return {};
  return detail::make_errno_error(errno, "close", fd);
}

int file::release() noexcept {
  owned_ = false;
  return std::exchange(handle_, {}).fd;
}

file_kind file::kind() const noexcept {
  return static_cast<file_kind>(handle_.kind);
}

file standard_input() noexcept {
  return file::borrow(STDIN_FILENO);
}
file standard_output() noexcept {
  return file::borrow(STDOUT_FILENO);
}
file standard_error() noexcept {
  return file::borrow(STDERR_FILENO);
}

// ---- open

task<result<file>> file::open(path_view path, open_options options) {
  const detail::c_path text(path);
  const int flags = detail::flags_of(options);
  if (flags < 0 || text.has_nul_inside()) {
    co_return detail::make_errno_error(EINVAL, "open", path.text());
  }
  // O_NONBLOCK: open(2) waits for nobody, so that it can be done on the spot, and can be stopped.
  int fd = co_await detail::open_call(text.c_str(), flags | O_NONBLOCK, options.permissions);
  if (fd == -EAGAIN) {  // a lease (fcntl(2)) has to be given back first
    fd = co_await detail::open_call(text.c_str(), flags, options.permissions);
  }
  if (fd < 0) co_return detail::make_errno_error(-fd, "open", path.text());

  file opened(fd, true);
  opened.handle_.lazily_blocking = opened.kind() == file_kind::regular;
  if (opened.kind() == file_kind::fifo && !options.write && !options.append) {
    // Neither data nor a hang-up is reported before the first writer has come.
    const int events = co_await detail::readable_call(fd);
    if (events < 0) co_return detail::make_errno_error(-events, "open", path.text());
  }
  co_return opened;
}

task<result<file>> file::create(path_view path, unsigned permissions) {
  open_options options;
  options.write = options.create = options.truncate = true;
  options.permissions = permissions;
  co_return co_await open(path, options);
}

// ---- several operations

task<result<void>> file::read_exact(io::mutable_buffer to) {
  std::size_t moved = 0;
  detail::stream_guard guard(handle_.reads_broken, moved);
  auto done = co_await detail::fill(handle_, to, detail::current_position, &moved);
  guard.end();
  co_return done;
}

task<result<void>> file::pread_exact(io::mutable_buffer to, std::uint64_t offset) const {
  std::size_t moved = 0;
  if (offset == detail::current_position) --offset;  // refused as any other that is out of range
  co_return co_await detail::fill(handle_, to, offset, &moved);
}

task<result<void>> file::write_all(io::const_buffer from) {
  std::size_t moved = 0;
  detail::stream_guard guard(handle_.writes_broken, moved);
  auto done = co_await detail::drain(handle_, from, detail::current_position, &moved);
  guard.end();
  co_return done;
}

task<result<void>> file::pwrite_all(io::const_buffer from, std::uint64_t offset) const {
  std::size_t moved = 0;
  if (offset == detail::current_position) --offset;
  co_return co_await detail::drain(handle_, from, offset, &moved);
}

// ---- stat

task<result<file_info>> file::stat() const {
  struct statx s;
  if (handle_.fd < 0) co_return detail::descriptor_error(errc::closed, "stat", -1);
  const int done = co_await detail::statx_call(handle_.fd, "", &s);
  if (done < 0) co_return detail::descriptor_error(-done, "stat", handle_.fd);
  co_return detail::info_of(s);
}

task<result<std::uint64_t>> file::size() const {
  auto info = co_await stat();
  if (!info) co_return std::move(info).error();
  co_return info->size;
}

task<result<file_info>> stat(path_view path) {
  const detail::c_path text(path);
  // An empty path would mean the directory that the descriptor stands for.
  if (path.text().empty()) co_return detail::make_errno_error(ENOENT, "stat", path.text());
  if (text.has_nul_inside()) co_return detail::make_errno_error(EINVAL, "stat", path.text());
  struct statx s;
  const int done = co_await detail::statx_call(AT_FDCWD, text.c_str(), &s);
  if (done < 0) co_return detail::make_errno_error(-done, "stat", path.text());
  co_return detail::info_of(s);
}

}  // namespace fs
}  // namespace sluice
