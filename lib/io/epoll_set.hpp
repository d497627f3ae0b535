// SPDX-License-Identifier: MIT
// An epoll(7) instance and the eventfd that wakes whoever waits in it: the system calls of the
// epoll reactor, which knows the operations.
#pragma once

#include <sluice/clock.hpp>
#include <sluice/detail/base/atomic.hpp>

#include <cstdint>

struct epoll_event;

namespace sluice::detail {

/// Threads: wake() and calls() any; all else the owner's.
class epoll_set {
 public:
  /// Errors: std::system_error of epoll_create1(2), eventfd(2) or epoll_ctl(2): EMFILE, ENFILE,
  /// ENOMEM, ENOSPC.
  epoll_set();
  epoll_set(const epoll_set&) = delete;
  epoll_set& operator=(const epoll_set&) = delete;

  /// Asks for one report of `events` (EPOLLIN and such) of a descriptor that is in the set.
  /// Returns: 0, or errno: ENOENT (it is not), EPERM (epoll does not take it), EBADF and others.
  [[nodiscard]] int arm(int fd, std::uint32_t events, std::uint64_t key) noexcept;

  /// Likewise of one that is not in the set.
  [[nodiscard]] int add(int fd, std::uint32_t events, std::uint64_t key) noexcept;

  /// Blocks until there is a report, wake() was called, or `deadline` has passed; past: does not
  /// block; max(): none. A signal ends it early. Stores at most `most` reports, at least 1.
  /// Returns: how many.
  int wait(epoll_event* reports, int most, time_point deadline) noexcept;

  /// Makes a concurrent or the next wait() return. Sticky; costs a system call only if no other
  /// wake is on its way.
  void wake() noexcept;

  /// System calls made so far.
  unsigned long calls() const noexcept;

 private:
  struct descriptor {
    ~descriptor();
    int fd;
  };

  int control(int call, int fd, std::uint32_t events, std::uint64_t key) noexcept;
  int wait_for_events(epoll_event* reports, int most, time_point deadline) noexcept;
  void take_wake() noexcept;
  void count() noexcept;

  const descriptor epoll_;     // immutable
  const descriptor wake_;      // immutable: an eventfd, registered level-triggered
  bool ns_waits_ = true;       // owner: epoll_pwait2(2) is there
  atomic<bool> woken_{false};  // wake_ has been written and not read [E2]
  atomic<unsigned long> calls_{0};
};

}  // namespace sluice::detail
