// SPDX-License-Identifier: MIT
// Walking: getdents64(2) in batches on the blocking pool.
//
// A thread of the pool costs 20-50 us a call, a cached directory of ten files 10 us, a cold one
// milliseconds: so a job reads directory after directory until its batch is full. The first batches
// are small, so that others soon have something to do.
#include <sluice/fs/walk.hpp>

#include "fs/file_op.hpp"
#include "fs/walk_state.hpp"
#include "sched/wait.hpp"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <new>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace sluice {

namespace detail {

namespace {

constexpr std::size_t raw_bytes = 32 << 10;  // what glibc's readdir takes
constexpr std::size_t first_batch = 32;      // entries
constexpr std::size_t largest_batch = 1024;
constexpr std::size_t most_text = 256 << 10;  // bytes of paths in a batch

fs::file_kind kind_of_type(unsigned char type) noexcept {
  switch (type) {
    case DT_REG:
      return fs::file_kind::regular;
    case DT_DIR:
      return fs::file_kind::directory;
    case DT_LNK:
      return fs::file_kind::symlink;
    case DT_FIFO:
      return fs::file_kind::fifo;
    case DT_SOCK:
      return fs::file_kind::socket;
    case DT_BLK:
      return fs::file_kind::block_device;
    case DT_CHR:
      return fs::file_kind::character_device;
    default:
      return fs::file_kind::unknown;
  }
}

bool is_dots(const char* name) noexcept {
  return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

}  // namespace

walk_state::walk_state(std::string_view root)
    : names_(root),
      pending_{{0, static_cast<std::uint32_t>(root.size())}},
      raw_(std::make_unique<char[]>(raw_bytes)),
      limit_(first_batch) {}

walk_state::~walk_state() {
  close_directory();
}

void walk_state::close_directory() noexcept {
  if (directory_ >= 0) ::close(directory_);
  directory_ = -1;
}

std::optional<result<fs::entry>> walk_state::take() {
  if (next_ == batch_.size()) {
    if (failed_ == 0) return std::nullopt;
    return result<fs::entry>(make_errno_error(std::exchange(failed_, 0), "walk", base_));
  }
  const found& f = batch_[next_++];
  const std::string_view path(text_.data() + f.at, f.length);
  if (f.number != 0) {
    return result<fs::entry>(make_errno_error(f.number, f.opening ? "open" : "getdents", path));
  }
  return result<fs::entry>(fs::entry{path, f.kind});
}

void walk_state::read() noexcept {
  try {
    fill();
  } catch (const std::bad_alloc&) {
    failed_ = ENOMEM;
    ended_ = true;
  }
  limit_ = std::min(limit_ * 2, largest_batch);
}

void walk_state::fill() {
  next_ = 0;
  batch_.clear();
  text_.clear();
  while (batch_.size() < limit_ && text_.size() < most_text) {
    if (directory_ < 0) {
      if (pending_.empty()) {
        ended_ = true;
        return;
      }
      if (!open_next()) continue;
    }
    if (raw_at_ == raw_end_ && !read_directory()) continue;
    const auto* e = reinterpret_cast<const dirent64*>(raw_.get() + raw_at_);
    raw_at_ += e->d_reclen;
    if (!is_dots(e->d_name)) add_entry(e->d_name, std::strlen(e->d_name), e->d_type);
  }
}

/// Goes to the pending directory that was found last. Returns: false if it cannot be opened.
bool walk_state::open_next() {
  const pending p = pending_.back();
  const bool is_root = base_.empty();
  pending_.pop_back();
  base_.erase(p.parent);
  base_.append(names_, names_.size() - p.length);
  names_.erase(names_.size() - p.length);
  // A directory that was replaced by a link meanwhile is not followed.
  const int follow = is_root ? 0 : O_NOFOLLOW;
  // Paths with a NUL come from the caller alone.
  directory_ =
      is_root && base_.find('\0') != base_.npos
          ? (errno = EINVAL, -1)
          : ::open(base_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK | follow);
  const int number = errno;
  raw_at_ = raw_end_ = 0;
  if (directory_ < 0) {
    add_error(number, true);
    return false;
  }
  if (base_.back() != '/') base_ += '/';
  return true;
}

/// Returns: false at the directory's end.
bool walk_state::read_directory() {
  const long n = ::syscall(SYS_getdents64, directory_, raw_.get(), raw_bytes);
  if (n > 0) {
    raw_at_ = 0;
    raw_end_ = static_cast<std::size_t>(n);
    return true;
  }
  if (n < 0) add_error(errno, false);
  close_directory();
  return false;
}

void walk_state::add_entry(const char* name, std::size_t length, unsigned char type) {
  const auto at = static_cast<std::uint32_t>(text_.size());
  const fs::file_kind kind = type == DT_UNKNOWN ? look_up(name) : kind_of_type(type);
  text_.append(base_).append(name, length);
  batch_.push_back({at, static_cast<std::uint32_t>(text_.size() - at), 0, kind, false});
  if (kind != fs::file_kind::directory) return;
  names_.append(name, length);
  pending_.push_back(
      {static_cast<std::uint32_t>(base_.size()), static_cast<std::uint32_t>(length)});
}

void walk_state::add_error(int number, bool opening) {
  const auto at = static_cast<std::uint32_t>(text_.size());
  text_.append(base_);
  const bool slash =
      !opening && base_.size() > 1;  // which base_ has of a directory that was opened
  batch_.push_back({at, static_cast<std::uint32_t>(text_.size() - at - (slash ? 1 : 0)), number,
                    fs::file_kind::directory, opening});
}

/// For file systems that do not tell kinds with names.
fs::file_kind walk_state::look_up(const char* name) const noexcept {
  struct stat inode;
  if (::fstatat(directory_, name, &inode, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) != 0) {
    return fs::file_kind::unknown;
  }
  return file_kind_of(inode.st_mode);
}

// ---- the await

walk_op::walk_op(await_site at, walk_state* walk) noexcept
    : blocking_wait(at, read_batch), walk_(walk) {}

bool walk_op::await_suspend(std::coroutine_handle<> frame) noexcept {
  if (walk_->ready() && !head->must_stop()) return done_at_once(*this, frame);
  return suspend(frame);
}

void walk_op::read_batch(blocking_wait& self) noexcept {
  static_cast<walk_op&>(self).walk_->read();
}

std::optional<result<fs::entry>> walk_op::await_resume() {
  return walk_->take();
}

}  // namespace detail

namespace fs {

walk::walk(path_view root)
    : state_(new detail::walk_state(root.text()), [](detail::walk_state* s) { delete s; }) {}
walk::walk(walk&&) noexcept = default;
walk& walk::operator=(walk&&) noexcept = default;
walk::~walk() = default;

}  // namespace fs
}  // namespace sluice
