// SPDX-License-Identifier: MIT
// epoll_ctl, epoll_pwait2 and the sticky wake.
#include "io/epoll_set.hpp"

#include "sched/monotonic.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <system_error>

#include <linux/time_types.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace sluice::detail {

namespace {

constexpr std::uint64_t wake_key = ~std::uint64_t{0};

int opened(int fd, const char* call) {
  if (fd < 0) throw std::system_error(errno, std::generic_category(), call);
  return fd;
}

}  // namespace

epoll_set::descriptor::~descriptor() {
  ::close(fd);
}

epoll_set::epoll_set()
    : epoll_{opened(::epoll_create1(EPOLL_CLOEXEC), "epoll: epoll_create1")},
      wake_{opened(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "epoll: eventfd")} {
  const int error = control(EPOLL_CTL_ADD, wake_.fd, EPOLLIN, wake_key);
  if (error != 0) throw std::system_error(error, std::generic_category(), "epoll: epoll_ctl");
}

int epoll_set::control(int call, int fd, std::uint32_t events, std::uint64_t key) noexcept {
  epoll_event event{};
  event.events = events;
  event.data.u64 = key;
  count();
  return ::epoll_ctl(epoll_.fd, call, fd, &event) == 0 ? 0 : errno;
}

int epoll_set::arm(int fd, std::uint32_t events, std::uint64_t key) noexcept {
  return control(EPOLL_CTL_MOD, fd, events | EPOLLONESHOT, key);
}

int epoll_set::add(int fd, std::uint32_t events, std::uint64_t key) noexcept {
  return control(EPOLL_CTL_ADD, fd, events | EPOLLONESHOT, key);
}

int epoll_set::wait(epoll_event* reports, int most, time_point deadline) noexcept {
  const int n = std::max(wait_for_events(reports, most, deadline), 0);
  epoll_event* const end = reports + n;
  epoll_event* const wake_report =
      std::find_if(reports, end, [](const epoll_event& r) { return r.data.u64 == wake_key; });
  if (wake_report == end) return n;
  take_wake();
  *wake_report = *(end - 1);
  return n - 1;
}

int epoll_set::wait_for_events(epoll_event* reports, int most, time_point deadline) noexcept {
  count();
  if (deadline == time_point::max()) return ::epoll_wait(epoll_.fd, reports, most, -1);
  // A deadline long past costs no look at the clock.
  const duration left = deadline <= time_point{} ? duration::zero() : deadline - monotonic_now();
  if (left <= duration::zero()) return ::epoll_wait(epoll_.fd, reports, most, 0);
  if (ns_waits_) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
    const __kernel_timespec limit{seconds.count(), (left - seconds).count()};
    const long n = ::syscall(SYS_epoll_pwait2, epoll_.fd, reports, most, &limit, nullptr, 0);
    // Linux 5.11. EPERM: a sandbox that does not know the call.
    if (n >= 0 || (errno != ENOSYS && errno != EPERM)) return static_cast<int>(n);
    ns_waits_ = false;
    count();
  }
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(left).count();
  return ::epoll_wait(epoll_.fd, reports, most,
                      static_cast<int>(std::min<decltype(ms)>(ms, INT_MAX)));
}

void epoll_set::wake() noexcept {
  // acq_rel: release: pairs with take_wake(): who is woken sees what was done before [E2]; acquire:
  // keeps what an earlier wake released in the chain
  if (woken_.exchange(true, std::memory_order_acq_rel)) return;
  count();
  const std::uint64_t one = 1;
  // Fails for a signal only: the counter is 0 or 1.
  while (::write(wake_.fd, &one, sizeof one) < 0 && errno == EINTR) {
  }
}

/// Reads first. A wake() between the two finds `woken_` set and is served: wait() returns now. The
/// other way round, its write could be read here while `woken_` stays set, and no later one writes.
void epoll_set::take_wake() noexcept {
  std::uint64_t counted;
  count();
  [[maybe_unused]] const auto n = ::read(wake_.fd, &counted, sizeof counted);
  woken_.exchange(false, std::memory_order_acq_rel);  // acquire: pairs with wake() [E2]
}

void epoll_set::count() noexcept {
  calls_.fetch_add(1, std::memory_order_relaxed);  // relaxed: a statistic
}

unsigned long epoll_set::calls() const noexcept {
  return calls_.load(std::memory_order_relaxed);  // relaxed: a statistic
}

}  // namespace sluice::detail
