// SPDX-License-Identifier: MIT
#include "base/threads.hpp"

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

namespace sluice::detail {

namespace {

// PF_IO_WORKER of the kernel's sched.h, since Linux 5.12: threads of io_uring stand in the list of the
// process that they work for.
constexpr unsigned long io_worker = 0x10;

/// Its beginning, ended by a zero. Returns: whether there is one.
bool read_file(const char* path, char* text, std::size_t size) {
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const ssize_t n = ::read(fd, text, size - 1);
  ::close(fd);
  if (n <= 0) return false;
  text[n] = '\0';
  return true;
}

/// Returns: -1 if the system does not tell.
int threads_of_status() {
  char text[4096];
  if (!read_file("/proc/self/status", text, sizeof text)) return -1;
  const char* at = std::strstr(text, "\nThreads:");
  return at != nullptr ? std::atoi(at + std::strlen("\nThreads:")) : -1;
}

/// "12 (name) S 1 12 12 0 -1 4194368 ...": the flags are the seventh word behind the name, which may hold
/// any characters.
bool is_io_worker(const char* id) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/self/task/%.20s/stat", id);
  char text[512];
  if (!read_file(path, text, sizeof text)) return false;
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
  const int n = threads_of_status();
  if (n <= expected) return n;
  // A listing ends early when the thread that it stands on does: it is believed only if it is complete.
  const std::unique_ptr<DIR, close_folder> tasks(::opendir("/proc/self/task"));
  if (tasks == nullptr) return -1;
  int listed = 0;
  int of_the_kernel = 0;
  while (const dirent* e = ::readdir(tasks.get())) {
    if (e->d_name[0] == '.') continue;
    ++listed;
    if (is_io_worker(e->d_name)) ++of_the_kernel;
  }
  return listed == n ? n - of_the_kernel : n;
}

}  // namespace sluice::detail
