// SPDX-License-Identifier: MIT
// A reactor over epoll with a pool of its own, driven by the test in a worker's place.
#pragma once

#include "io/epoll_reactor.hpp"
#include "io/test_op.hpp"

#include <atomic>
#include <chrono>
#include <csignal>
#include <ctime>
#include <deque>
#include <initializer_list>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <sys/epoll.h>

namespace sluice_test {

inline sluice::time_point monotonic() {
  timespec t;
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return sluice::time_point(std::chrono::seconds(t.tv_sec) + sluice::duration(t.tv_nsec));
}

/// Writes to a descriptor in non-blocking mode until it takes no more.
inline void fill(int fd) {
  const std::string block(1 << 16, 'f');
  while (::write(fd, block.data(), block.size()) > 0) {
  }
  while (::write(fd, block.data(), 1) > 0) {
  }
}

/// Reads what there is.
inline void empty(int fd) {
  ::fcntl(fd, F_SETFL, O_NONBLOCK);
  std::string block(1 << 16, '\0');
  while (::read(fd, block.data(), block.size()) > 0) {
  }
}

struct epoll_fixture {
  using operation = sluice::detail::operation;

  explicit epoll_fixture(const sluice::detail::blocking_pool::options& o = {.limit = 4}) : pool(o) {
    std::signal(SIGPIPE, SIG_IGN);  // as workers, which block it
  }
  ~epoll_fixture() { pool.stop(); }

  void start(test_op& op) {
    op.context = this;
    ++started;
    reactor.start(op);
  }

  /// Polls, and completes what threads of the pool have sent home.
  void poll(sluice::time_point deadline = sluice::time_point::max()) {
    reactor.poll(deadline);
    std::vector<arrival> came;
    {
      const std::lock_guard held(mu);
      came.swap(home);
    }
    for (const arrival& a : came)
      complete(*a.op, a.result);
  }
  /// Twice: the first may complete what has ended before and not look at descriptors.
  void poll_now() {
    poll(sluice::time_point::min());
    poll(sluice::time_point::min());
  }

  /// Until everything started has ended.
  void drain() {
    while (ended != started)
      poll();
    CHECK(reactor.inflight() == 0);
  }

  /// Until no thread of the pool does anything.
  void settle() {
    for (;;) {
      poll_now();
      const auto c = pool.count();
      if (c.queued == 0 && c.threads == c.idle) break;
      std::this_thread::yield();
    }
    poll_now();
  }

  static void complete(operation& o, int result) noexcept {
    auto& op = static_cast<test_op&>(o);
    auto& f = *static_cast<epoll_fixture*>(op.context);
    op.turn = f.ended++;
    op.finish(result);
  }
  static void complete_remote(operation& o, int result) noexcept {
    auto& f = *static_cast<epoll_fixture*>(static_cast<test_op&>(o).context);
    {
      const std::lock_guard held(f.mu);
      f.home.push_back({&o, result});
    }
    f.reactor.wake();
  }

  struct arrival {
    operation* op;
    int result;
  };

  sluice::detail::blocking_pool pool;
  sluice::detail::epoll_reactor reactor{pool,
                                        {.complete = complete, .complete_remote = complete_remote}};
  std::mutex mu;
  std::vector<arrival> home;  // guarded by mu
  int started = 0;
  int ended = 0;
};

}  // namespace sluice_test
