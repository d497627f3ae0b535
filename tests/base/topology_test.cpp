// SPDX-License-Identifier: MIT
// CPU quotas read from generated trees of /proc and /sys/fs/cgroup.
#include "base/topology.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include <doctest/doctest.h>

#include <sched.h>

namespace {

using sluice::detail::available_cpus;
using sluice::detail::cgroup_cpu_quota;

constexpr const char* v2_mount =
    "25 30 0:23 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
constexpr const char* v1_mount =
    "30 23 0:26 / /sys/fs/cgroup/cpuset rw shared:9 - cgroup cgroup rw,cpuset\n"
    "31 23 0:27 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n";

/// A directory that stands for "/", removed at the end.
class tree {
 public:
  tree() {
    std::string name = (std::filesystem::temp_directory_path() / "sluice-topology-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    root_ = name;
  }
  ~tree() { std::filesystem::remove_all(root_); }

  void write(const std::string& path, const std::string& content) const {
    const std::filesystem::path file = root_ + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << content;
  }
  void v2(const std::string& group, const std::string& mount = v2_mount) const {
    write("/proc/self/mountinfo", "1 0 8:1 / / rw - ext4 /dev/vda rw\n" + mount);
    write("/proc/self/cgroup", "0::" + group + "\n");
  }
  void v2_max(const std::string& group, const std::string& content) const {
    write("/sys/fs/cgroup" + group + "/cpu.max", content);
  }
  void v1_quota(const std::string& group, const std::string& quota,
                const std::string& period) const {
    write("/sys/fs/cgroup/cpu,cpuacct" + group + "/cpu.cfs_quota_us", quota);
    write("/sys/fs/cgroup/cpu,cpuacct" + group + "/cpu.cfs_period_us", period);
  }
  int quota() const { return cgroup_cpu_quota(root_); }

 private:
  std::string root_;
};

}  // namespace

TEST_SUITE("base/topology") {
  TEST_CASE("topology: the process has at least one CPU and at most those of its affinity mask") {
    const int cpus = available_cpus();
    CHECK(cpus >= 1);
    cpu_set_t before;
    REQUIRE(::sched_getaffinity(0, sizeof before, &before) == 0);
    CHECK(cpus <= CPU_COUNT(&before));
    int first = 0;
    while (!CPU_ISSET(first, &before))
      ++first;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    REQUIRE(::sched_setaffinity(0, sizeof one, &one) == 0);
    CHECK(available_cpus() == 1);
    REQUIRE(::sched_setaffinity(0, sizeof before, &before) == 0);
  }

  TEST_CASE("topology: without proc and cgroups there is no quota") {
    const tree t;
    CHECK(t.quota() == 0);
    t.v2("/");
    CHECK(t.quota() == 0);
  }

  TEST_CASE("topology: a v2 quota is rounded up") {
    const tree t;
    t.v2("/app");
    t.v2_max("/app", "200000 100000\n");
    CHECK(t.quota() == 2);
    t.v2_max("/app", "200001 100000\n");
    CHECK(t.quota() == 3);
    t.v2_max("/app", "5000 100000\n");
    CHECK(t.quota() == 1);
    t.v2_max("/app", "max 100000\n");
    CHECK(t.quota() == 0);
  }

  TEST_CASE("topology: the strictest quota of the whole v2 path counts") {
    const tree t;
    t.v2("/a/b/c");
    t.v2_max("/a/b/c", "max 100000\n");
    t.v2_max("/a", "300000 100000\n");
    CHECK(t.quota() == 3);  // b has no file at all
    t.v2_max("", "200000 100000\n");
    CHECK(t.quota() == 2);
    t.v2_max("/a/b", "100000 100000\n");
    CHECK(t.quota() == 1);
    t.v2_max("/a/other", "1000 100000\n");
    CHECK(t.quota() == 1);
  }

  TEST_CASE("topology: a group beside the process's own limits nothing") {
    const tree t;
    t.v2("/a/b");
    t.v2_max("/a/bc", "100000 100000\n");
    t.v2_max("/b", "100000 100000\n");
    CHECK(t.quota() == 0);
  }

  TEST_CASE("topology: the mount may show a group below the root as its top") {
    const tree t;
    t.v2("/docker/1f/app", "25 30 0:23 /docker/1f /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    t.v2_max("/app", "400000 100000\n");
    CHECK(t.quota() == 4);
    t.v2_max("", "200000 100000\n");
    CHECK(t.quota() == 2);
  }

  TEST_CASE("topology: a group outside the mount is read at the mount's top") {
    const tree t;
    t.v2_max("", "200000 100000\n");
    t.v2("/docker/1f", "25 30 0:23 /docker/2e /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    CHECK(t.quota() == 2);
    t.v2("/docker/1f", "25 30 0:23 /docker/1 /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    CHECK(t.quota() == 2);
    t.v2("/../other");
    CHECK(t.quota() == 2);
  }

  TEST_CASE("topology: a v1 quota counts along its path too") {
    const tree t;
    t.write("/proc/self/mountinfo", v1_mount);
    t.write("/proc/self/cgroup", "5:cpuset:/x\n4:cpu,cpuacct:/user/app\n1:name=systemd:/user\n");
    t.v1_quota("/user/app", "-1\n", "100000\n");
    CHECK(t.quota() == 0);
    t.v1_quota("/user/app", "150000\n", "100000\n");
    CHECK(t.quota() == 2);
    t.v1_quota("", "50000\n", "50000\n");
    CHECK(t.quota() == 1);
  }

  TEST_CASE("topology: on a system with both hierarchies the stricter counts") {
    const tree t;
    t.write(
        "/proc/self/mountinfo",
        std::string(v1_mount) + "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
    t.write("/proc/self/cgroup", "4:cpu,cpuacct:/user\n0::/app\n");
    t.v1_quota("/user", "300000\n", "100000\n");
    CHECK(t.quota() == 3);
    t.v2_max("/unified/app", "200000 100000\n");
    CHECK(t.quota() == 2);
  }

  TEST_CASE("topology: a mount point with a space is found") {
    const tree t;
    t.v2("/", "25 30 0:23 / /sys/fs/my\\040cgroups rw - cgroup2 cgroup2 rw\n");
    t.write("/sys/fs/my cgroups/cpu.max", "100000 100000\n");
    CHECK(t.quota() == 1);
  }

  TEST_CASE("topology: what does not parse limits nothing") {
    const tree t;
    t.v2("/a");
    for (const char* content :
         {"", "\n", "x y\n", "100000\n", "100000 0\n", "-5 100000\n", "0 100000\n",
          "100000 100000 100000\n", "99999999999999999999 100000\n", "100000 100000x\n"}) {
      CAPTURE(content);
      t.v2_max("/a", content);
      CHECK(t.quota() == 0);
    }
    t.v2_max("/a", "9000000000000000000 1\n");
    CHECK(t.quota() == 2147483647);
    t.write("/proc/self/mountinfo", "garbage\n - \n1 2 - cgroup2\n");
    CHECK(t.quota() == 0);
  }
}
