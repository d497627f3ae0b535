// SPDX-License-Identifier: MIT
// A file of 4 MiB that is in the page cache, for rows that read: made when asked for, gone at the end.
#pragma once

#include <cerrno>
#include <cstddef>
#include <string>
#include <system_error>
#include <vector>

#include <stdlib.h>
#include <unistd.h>

namespace perf {

class scratch_file {
 public:
  static constexpr std::size_t block = 4096;  // bytes
  static constexpr std::size_t blocks = 1024;

  scratch_file() {
    const int fd = ::mkstemp(path_.data());
    if (fd < 0) throw std::system_error(errno, std::generic_category(), "mkstemp " + path_);
    const std::vector<char> content(block * blocks, 'x');
    const ssize_t written = ::write(fd, content.data(), content.size());
    const int error = errno;
    ::close(fd);
    if (written != static_cast<ssize_t>(content.size())) {
      ::unlink(path_.c_str());
      throw std::system_error(written < 0 ? error : ENOSPC, std::generic_category(),
                              "write " + path_);
    }
  }
  scratch_file(const scratch_file&) = delete;
  scratch_file& operator=(const scratch_file&) = delete;
  ~scratch_file() { ::unlink(path_.c_str()); }

  const std::string& path() const noexcept { return path_; }

 private:
  std::string path_ = "/tmp/sluice-perf-XXXXXX";
};

}  // namespace perf
