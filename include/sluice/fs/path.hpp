// SPDX-License-Identifier: MIT
// path_view: how functions take a path. file_kind, file_info: what stands behind one.
#pragma once

#include <sluice/config.hpp>
#include <sluice/error.hpp>
#include <sluice/result.hpp>
#include <sluice/task.hpp>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sluice::fs {

/// A path as the caller has it: bytes of any encoding, relative to the working directory unless it
/// begins with '/'. Made of a const char*, std::string, std::string_view, std::filesystem::path.
/// Lifetime: borrows the text, which must outlive the awaited call; a temporary in the awaiting
/// expression does.
/// Cost: nothing; a std::string_view, which need not end with a NUL, is copied by what opens it.
class path_view {
 public:
  path_view(const char* text) noexcept
      : text_(text), size_(std::string_view(text).size()), ends_with_nul_(true) {}
  path_view(std::string_view text) noexcept
      : text_(text.data()), size_(text.size()), ends_with_nul_(false) {}
  template <class P>
    requires requires(const P& p) {
      { p.c_str() } -> std::same_as<const char*>;
    }
  path_view(const P& path) noexcept : text_(path.c_str()), ends_with_nul_(true) {
    if constexpr (requires {
                    { path.size() } -> std::convertible_to<std::size_t>;
                  }) {
      size_ = path.size();
    } else {
      size_ = std::string_view(text_).size();
    }
  }

  std::string_view text() const noexcept { return {text_, size_}; }
  /// Whether a NUL follows the text.
  bool ends_with_nul() const noexcept { return ends_with_nul_; }

 private:
  const char* text_;
  std::size_t size_ = 0;
  bool ends_with_nul_;
};

/// What kind of thing a path or descriptor stands for.
enum class file_kind : unsigned char {
  unknown,  // none of these, or the system did not say
  regular,
  directory,
  symlink,
  fifo,  // a pipe, named or not
  socket,
  block_device,
  character_device,
};

/// Returns: "regular file", "directory", ...
SLUICE_EXPORT std::string_view to_string(file_kind kind) noexcept;

/// What the system knows of a file.
struct file_info {
  file_kind kind;
  std::uint64_t size;    // bytes
  unsigned permissions;  // 0 to 07777
  std::uint64_t device;  // with inode: two paths are one file if both are equal
  std::uint64_t inode;
  std::uint64_t links;        // names that the file has
  std::uint32_t user, group;  // owner
  std::chrono::sys_time<std::chrono::nanoseconds> modified;
};

/// Tells of the file that a path names; of what a symbolic link refers to.
/// Suspends: always. Errors: "stat <path>" with ENOENT, EACCES, ENOTDIR, ELOOP, ENAMETOOLONG; EINVAL
/// for a path with a NUL in it. Cancellation: ends stopped.
/// Cost: the system has no way to do this without a thread that may block: 5 us under io_uring.
SLUICE_EXPORT task<result<file_info>> stat(path_view path);

}  // namespace sluice::fs
