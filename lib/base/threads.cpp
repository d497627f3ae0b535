// SPDX-License-Identifier: MIT
#include "base/threads.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

namespace sluice::detail {

namespace {

// PF_IO_WORKER of the kernel's sched.h, since Linux 5.12: threads of io_uring stand in the list of the
// process that they work for.
constexpr unsigned long io_worker = 0x10;

/// "12 (name) S 1 12 12 0 -1 4194368 ...": the flags are the seventh word behind the name, which may hold
/// any characters.
bool is_io_worker(const char* id) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/self/task/%.20s/stat", id);
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  char text[512];
  const ssize_t n = ::read(fd, text, sizeof text - 1);
  ::close(fd);
  if (n <= 0) return false;
  text[n] = '\0';
  const char* at = std::strrchr(text, ')');
  for (int word = 0; at != nullptr && word < 7; ++word) {
    at = std::strchr(at + 1, ' ');
  }
  return at != nullptr && (std::strtoul(at, nullptr, 10) & io_worker) != 0;
}

struct close_folder {
  void operator()(DIR* d) const noexcept { ::closedir(d); }
};

}  // namespace

int count_threads(int expected) {
  const std::unique_ptr<DIR, close_folder> tasks(::opendir("/proc/self/task"));
  if (tasks == nullptr) return -1;
  std::vector<std::string> ids;
  while (const dirent* e = ::readdir(tasks.get())) {
    if (e->d_name[0] != '.') ids.emplace_back(e->d_name);
  }
  int n = static_cast<int>(ids.size());
  if (n <= expected) return n;
  for (const std::string& id : ids)
    n -= is_io_worker(id.c_str()) ? 1 : 0;
  return n;
}

}  // namespace sluice::detail
