// SPDX-License-Identifier: MIT
// How many CPUs the process may use: what the affinity mask and the cgroups leave of the machine.
#pragma once

#include <string>

namespace sluice::detail {

/// The least of: the CPUs that the calling thread may run on (sched_getaffinity), and the CPU quota
/// of each cgroup from the process's own up to the root (v2 cpu.max, v1 cpu.cfs_quota_us), rounded
/// up. At least 1. A file that is missing or does not parse limits nothing.
/// Threads: any. Cost: a dozen small files are read.
int available_cpus();

/// The same quota, rounded up; 0 when there is none. `root` comes before /proc/self/cgroup,
/// /proc/self/mountinfo and the mount points that these name: "" for the system's own, a directory
/// for a generated tree.
///
/// Where the process's cgroup lies outside what is mounted (a container that shows its own cgroup
/// as the root of the mount, without a cgroup namespace), the mount's root is read alone.
int cgroup_cpu_quota(const std::string& root);

}  // namespace sluice::detail
