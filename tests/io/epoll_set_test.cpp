// SPDX-License-Identifier: MIT
// The epoll instance by itself: waking across threads, deadlines without epoll_pwait2(2).
#include "io/epoll_set.hpp"

#include "io/epoll_fixture.hpp"
#include "support/deny_syscalls.hpp"
#include "support/skip.hpp"

#include <sys/syscall.h>

using namespace sluice_test;
using sluice::detail::epoll_set;

TEST_SUITE("io/epoll_set") {
  TEST_CASE("wakes from two threads are never lost") {
    epoll_set set;
    std::atomic<int> asked[2]{};
    int seen[2]{};
    const auto ask = [&](int who) {
      for (int i = 1; i <= 5000; ++i) {
        asked[who].store(i, std::memory_order_relaxed);
        set.wake();
      }
    };
    std::thread one(ask, 0), two(ask, 1);
    epoll_event reports[4];
    while (seen[0] != 5000 || seen[1] != 5000) {
      CHECK(set.wait(reports, 4, sluice::time_point::max()) == 0);
      for (int i = 0; i < 2; ++i)
        seen[i] = asked[i].load(std::memory_order_relaxed);
    }
    one.join();
    two.join();
  }

  TEST_CASE("where epoll_pwait2 is unknown deadlines hold, in milliseconds rounded up") {
    for (const int error : {ENOSYS, EPERM}) {
      int polls = 0;
      const bool could = run_denied({{SYS_epoll_pwait2, error}}, [&] {
        epoll_set set;
        epoll_event reports[4];
        const auto deadline = monotonic() + std::chrono::microseconds(300);
        for (; monotonic() < deadline; ++polls) {
          CHECK(set.wait(reports, 4, deadline) == 0);
        }
        set.wake();
        CHECK(set.wait(reports, 4, sluice::time_point(sluice::duration::max() / 2)) == 0);
      });
      if (!could) return skip("no seccomp filters");
      CHECK(polls <= 1);  // none, where the machine was away for so long
    }
  }
}
