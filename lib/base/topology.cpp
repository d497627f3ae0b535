// SPDX-License-Identifier: MIT
// Affinity and cgroup quotas, read as man 7 cgroups, man 5 proc and the kernel's cgroup-v2.rst
// describe them. A quota holds for a group and all below it, so that the whole path counts: the
// group itself often has none.
#include "base/topology.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <climits>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

namespace sluice::detail {

namespace {

/// The content of a file, "" if it cannot be read.
std::string read_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  std::string content;
  char block[4096];
  for (;;) {
    const ssize_t n = ::read(fd, block, sizeof block);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    content.append(block, static_cast<std::size_t>(n));
  }
  ::close(fd);
  return content;
}

/// Cuts the part before the first `separator` off `rest`; all of it if there is none.
std::string_view cut(std::string_view& rest, char separator) {
  const std::size_t at = rest.find(separator);
  const std::string_view part = rest.substr(0, at);
  rest.remove_prefix(at == std::string_view::npos ? rest.size() : at + 1);
  return part;
}

bool lists(std::string_view names, std::string_view name) {
  while (!names.empty()) {
    if (cut(names, ',') == name) return true;
  }
  return false;
}

std::optional<std::int64_t> number(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' '))
    text.remove_suffix(1);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// quota / period in CPUs, rounded up; 0, no limit, unless both are positive.
int cpus_of(std::optional<std::int64_t> quota, std::optional<std::int64_t> period) {
  if (!quota || !period || *quota <= 0 || *period <= 0) return 0;
  const std::int64_t cpus = *quota / *period + (*quota % *period != 0 ? 1 : 0);
  return static_cast<int>(std::min<std::int64_t>(cpus, INT_MAX));
}

int stricter(int a, int b) {
  if (a == 0 || b == 0) return std::max(a, b);
  return std::min(a, b);
}

/// Undoes the \ooo by which mountinfo writes spaces, tabs, line ends and backslashes.
std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto octal = [&](std::size_t at) { return text[at] >= '0' && text[at] <= '7'; };
    if (text[i] == '\\' && i + 3 < text.size() && octal(i + 1) && octal(i + 2) && octal(i + 3)) {
      out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                               (text[i + 3] - '0'));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

enum class version { v1, v2 };

struct mount {
  std::string root;   // the group that the mount shows as its top
  std::string point;  // where it is mounted
};

/// The first mount of the hierarchy that has the cpu controller, in the order of mountinfo:
/// id parent major:minor root point options [fields...] - type source super_options
std::optional<mount> find_mount(std::string_view mountinfo, version v) {
  while (!mountinfo.empty()) {
    std::string_view line = cut(mountinfo, '\n');
    const std::size_t dash = line.find(" - ");
    if (dash == std::string_view::npos) continue;
    std::string_view tail = line.substr(dash + 3);
    const std::string_view type = cut(tail, ' ');
    cut(tail, ' ');
    if (v == version::v2 ? type != "cgroup2" : type != "cgroup" || !lists(tail, "cpu")) continue;
    for (int skipped = 0; skipped < 3; ++skipped)
      cut(line, ' ');
    const std::string_view root = cut(line, ' ');
    return mount{unescape(root), unescape(cut(line, ' '))};
  }
  return std::nullopt;
}

/// The process's group in that hierarchy, from lines "id:controllers:/path"; v2 is "0::/path".
std::optional<std::string> find_group(std::string_view cgroup, version v) {
  while (!cgroup.empty()) {
    std::string_view line = cut(cgroup, '\n');
    const std::string_view id = cut(line, ':');
    const std::string_view controllers = cut(line, ':');
    if (v == version::v2 ? id == "0" && controllers.empty() : lists(controllers, "cpu")) {
      return std::string(line);
    }
  }
  return std::nullopt;
}

/// Where `group` is below the mount point: "" for the mount's top, else "/a/b".
std::string below(const mount& m, std::string group) {
  const std::string root = m.root == "/" ? "" : m.root;
  const bool inside = group.starts_with(root) &&
                      (group.size() == root.size() || group[root.size()] == '/') &&
                      (group + '/').find("/../") == std::string::npos;
  if (!inside) return {};
  group.erase(0, root.size());
  while (group.ends_with('/'))
    group.pop_back();
  return group;
}

int quota_of_group(const std::string& directory, version v) {
  if (v == version::v1) {
    return cpus_of(number(read_file(directory + "/cpu.cfs_quota_us")),
                   number(read_file(directory + "/cpu.cfs_period_us")));
  }
  const std::string content =
      read_file(directory + "/cpu.max");  // "150000 100000\n", "max 100000\n"
  std::string_view rest = content;
  const std::string_view quota = cut(rest, ' ');
  return cpus_of(number(quota), number(rest));
}

int quota_of_path(const std::string& root, version v) {
  const auto found = find_mount(read_file(root + "/proc/self/mountinfo"), v);
  if (!found) return 0;
  const auto group = find_group(read_file(root + "/proc/self/cgroup"), v);
  if (!group) return 0;
  const std::string top = root + found->point;
  int cpus = quota_of_group(top, v);
  for (std::string at = below(*found, *group); !at.empty(); at.erase(at.rfind('/'))) {
    cpus = stricter(cpus, quota_of_group(top + at, v));
  }
  return cpus;
}

int affinity_cpus() {
  // The kernel refuses, with EINVAL, a mask shorter than its own.
  for (int cpus = 1024; cpus <= 1 << 20; cpus *= 2) {
    const auto set = std::unique_ptr<cpu_set_t, void (*)(cpu_set_t*)>(
        CPU_ALLOC(cpus), [](cpu_set_t* s) { CPU_FREE(s); });
    if (set == nullptr) break;
    const std::size_t bytes = CPU_ALLOC_SIZE(cpus);
    if (::sched_getaffinity(0, bytes, set.get()) == 0) return CPU_COUNT_S(bytes, set.get());
    if (errno != EINVAL) break;
  }
  return static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN));
}

}  // namespace

int cgroup_cpu_quota(const std::string& root) {
  // A system may have both: v2 for some controllers, v1 for others.
  return stricter(quota_of_path(root, version::v2), quota_of_path(root, version::v1));
}

int available_cpus() {
  return std::max(1, stricter(affinity_cpus(), cgroup_cpu_quota("")));
}

}  // namespace sluice::detail
