// SPDX-License-Identifier: MIT
// The blocking pool: order, bounds, withdrawal, threads that come and go.
#include "sched/blocking_pool.hpp"

#include "support/deny_syscalls.hpp"
#include "support/skip.hpp"

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <deque>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>

using sluice::detail::blocking_pool;
using sluice::detail::pool_job;

namespace {

using std::chrono::hours;

/// Counts how often it ran; tells when.
struct counted_job : pool_job {
  counted_job() { run = &body; }

  static void body(pool_job& j) noexcept {
    auto& self = static_cast<counted_job&>(j);
    self.thread = std::this_thread::get_id();
    if (self.also != nullptr) self.also(self);
    self.runs.fetch_add(1, std::memory_order_release);
    self.runs.notify_all();
  }

  /// Blocks until it has run.
  void wait() { runs.wait(0, std::memory_order_acquire); }

  std::atomic<int> runs{0};
  std::thread::id thread;
  void (*also)(counted_job&) = nullptr;
  void* context = nullptr;
};

/// Holds its thread until it is let go.
struct gate_job : pool_job {
  gate_job() { run = &body; }

  static void body(pool_job& j) noexcept {
    auto& self = static_cast<gate_job&>(j);
    self.entered.store(true, std::memory_order_release);
    self.entered.notify_all();
    self.open.wait(false, std::memory_order_acquire);
    self.left.store(true, std::memory_order_release);
    self.left.notify_all();
  }

  void wait_entered() { entered.wait(false, std::memory_order_acquire); }
  void let_go() {
    open.store(true, std::memory_order_release);
    open.notify_all();
    left.wait(false, std::memory_order_acquire);
  }

  std::atomic<bool> entered{false}, open{false}, left{false};
};

/// Waits for a state that other threads bring about; ctest's timeout ends it if they do not.
template <class Condition>
void until(Condition holds) {
  while (!holds())
    std::this_thread::yield();
}

}  // namespace

TEST_SUITE("sched/blocking_pool") {
  TEST_CASE("a job runs once, on a thread of the pool") {
    blocking_pool pool({.limit = 4, .linger = hours(1)});
    counted_job job;
    pool.submit(job);
    job.wait();
    pool.stop();
    CHECK(job.runs == 1);
    CHECK(job.thread != std::this_thread::get_id());
  }

  TEST_CASE("a thousand jobs on two threads: each runs once, never three at a time") {
    struct meter {
      std::atomic<int> now{0}, most{0};
    } m;
    blocking_pool pool({.limit = 2, .linger = hours(1)});
    std::deque<counted_job> jobs(1000);
    for (counted_job& job : jobs) {
      job.context = &m;
      job.also = [](counted_job& self) {
        auto& meter_of = *static_cast<meter*>(self.context);
        const int now = ++meter_of.now;
        int most = meter_of.most;
        while (now > most && !meter_of.most.compare_exchange_weak(most, now)) {
        }
        std::this_thread::yield();
        --meter_of.now;
      };
      pool.submit(job);
    }
    CHECK(pool.count().threads <= 2);
    pool.stop();
    int wrong = 0;
    for (counted_job& job : jobs)
      wrong += job.runs != 1;
    CHECK(wrong == 0);
    CHECK(m.most >= 1);
    CHECK(m.most <= 2);
  }

  TEST_CASE("one thread serves in the order of submission") {
    blocking_pool pool({.limit = 1, .linger = hours(1)});
    gate_job gate;
    pool.submit(gate);
    gate.wait_entered();
    std::vector<counted_job*> order;
    std::deque<counted_job> jobs(20);
    for (counted_job& job : jobs) {
      job.context = &order;
      job.also = [](counted_job& self) {
        static_cast<std::vector<counted_job*>*>(self.context)->push_back(&self);
      };
      pool.submit(job);
    }
    CHECK(pool.count().queued == 20);
    CHECK(pool.count().running == 1);
    gate.let_go();
    pool.stop();
    REQUIRE(order.size() == 20);
    for (std::size_t i = 0; i < order.size(); ++i)
      CHECK(order[i] == &jobs[i]);
  }

  TEST_CASE("a blocked job costs a thread, up to the limit, and no other job its turn") {
    gate_job gates[3];
    counted_job waiting;
    blocking_pool pool({.limit = 3, .linger = hours(1)});
    for (gate_job& gate : gates) {
      pool.submit(gate);
      gate.wait_entered();
    }
    pool.submit(waiting);
    const auto full = pool.count();
    CHECK(full.threads == 3);
    CHECK(full.running == 3);
    CHECK(full.queued == 1);
    CHECK(full.idle == 0);
    gates[1].let_go();
    waiting.wait();
    gates[0].let_go();
    gates[2].let_go();
  }

  TEST_CASE("jobs submitted in one go get a thread each, not the one that is starting") {
    gate_job gates[4];
    blocking_pool pool({.limit = 4, .linger = hours(1)});
    for (gate_job& gate : gates)
      pool.submit(gate);
    for (gate_job& gate : gates)
      gate.wait_entered();
    CHECK(pool.count().running == 4);
    for (gate_job& gate : gates)
      gate.let_go();
  }

  TEST_CASE("an idle thread is used before another is started") {
    blocking_pool pool({.limit = 8, .linger = hours(1)});
    for (int i = 0; i < 50; ++i) {
      counted_job job;
      pool.submit(job);
      job.wait();
      until([&] { return pool.count().idle == 1; });
    }
    CHECK(pool.count().threads == 1);
  }

  TEST_CASE("of two idle threads the last to fall idle works") {
    blocking_pool pool({.limit = 2, .linger = hours(1)});
    gate_job first, second;
    pool.submit(first);
    first.wait_entered();
    pool.submit(second);
    second.wait_entered();
    first.let_go();
    until([&] { return pool.count().idle == 1; });
    counted_job probe;  // runs on the thread of `first`
    pool.submit(probe);
    probe.wait();
    until([&] { return pool.count().idle == 1; });
    second.let_go();
    until([&] { return pool.count().idle == 2; });
    for (int i = 0; i < 5; ++i) {
      counted_job job;
      pool.submit(job);
      job.wait();
      CHECK(job.thread != probe.thread);
      until([&] { return pool.count().idle == 2; });
    }
  }

  TEST_CASE("an idle thread leaves after linger, and the next job starts another") {
    blocking_pool pool({.limit = 2, .linger = std::chrono::nanoseconds(1)});
    for (int i = 0; i < 20; ++i) {
      counted_job job;
      pool.submit(job);
      job.wait();
      until([&] { return pool.count().threads == 0; });
    }
  }

  TEST_CASE("with linger max() an idle thread stays") {
    blocking_pool pool({.limit = 2, .linger = sluice::duration::max()});
    counted_job job;
    pool.submit(job);
    job.wait();
    until([&] { return pool.count().idle == 1; });
    CHECK(pool.count().threads == 1);
  }

  TEST_CASE("withdraw takes back what no thread has begun, wherever it stands in the queue") {
    blocking_pool pool({.limit = 1, .linger = hours(1)});
    gate_job gate;
    pool.submit(gate);
    gate.wait_entered();
    CHECK_FALSE(pool.withdraw(gate));
    counted_job jobs[5];
    for (counted_job& job : jobs)
      pool.submit(job);
    CHECK(pool.withdraw(jobs[2]));
    CHECK(pool.withdraw(jobs[0]));
    CHECK(pool.withdraw(jobs[4]));
    CHECK_FALSE(pool.withdraw(jobs[2]));
    CHECK(pool.count().queued == 2);
    gate.let_go();
    pool.stop();
    const int expected[] = {0, 1, 0, 1, 0};
    for (int i = 0; i < 5; ++i)
      CHECK(jobs[i].runs == expected[i]);
    CHECK_FALSE(pool.withdraw(jobs[1]));
  }

  TEST_CASE("a job that was withdrawn can be submitted again") {
    blocking_pool pool({.limit = 1, .linger = hours(1)});
    gate_job gate;
    pool.submit(gate);
    gate.wait_entered();
    counted_job job;
    pool.submit(job);
    CHECK(pool.withdraw(job));
    pool.submit(job);
    gate.let_go();
    pool.stop();
    CHECK(job.runs == 1);
  }

  TEST_CASE("withdrawing against running: each job is run or withdrawn, never both or neither") {
    blocking_pool pool({.limit = 3, .linger = std::chrono::microseconds(20)});
    std::atomic<int> wrong{0};
    std::atomic<long> withdrawn{0}, ran{0};
    const auto contend = [&] {
      for (int i = 0; i < 3000; ++i) {
        counted_job jobs[3];
        for (counted_job& job : jobs)
          pool.submit(job);
        for (counted_job& job : jobs) {
          if (i % 3 == 0) std::this_thread::yield();
          if (pool.withdraw(job)) {
            if (job.runs != 0) ++wrong;
            ++withdrawn;
          } else {
            job.wait();
            if (job.runs != 1) ++wrong;
            ++ran;
          }
        }
        // The jobs lie on this stack: their threads are past notify_all() when the pool says so.
        until([&] { return pool.count().running == 0; });
      }
    };
    std::thread other(contend);
    contend();
    other.join();
    pool.stop();
    CHECK(wrong == 0);
    CHECK(withdrawn + ran == 2L * 3000 * 3);
    CHECK(withdrawn > 0);
    CHECK(ran > 0);
    CHECK(pool.count().threads == 0);
  }

  TEST_CASE("threads are named sluice-block and take no signals of the program") {
    blocking_pool pool({});
    counted_job job;
    struct seen {
      char name[16] = "";
      sigset_t mask;
    } s;
    job.context = &s;
    job.also = [](counted_job& self) {
      auto& found = *static_cast<seen*>(self.context);
      ::pthread_getname_np(::pthread_self(), found.name, sizeof found.name);
      ::pthread_sigmask(SIG_BLOCK, nullptr, &found.mask);
    };
    sigset_t before, after;
    ::pthread_sigmask(SIG_BLOCK, nullptr, &before);
    pool.submit(job);
    ::pthread_sigmask(SIG_BLOCK, nullptr, &after);
    pool.stop();
    CHECK(std::string(s.name) == "sluice-block");
    for (const int sig : {SIGINT, SIGTERM, SIGHUP, SIGCHLD, SIGPIPE, SIGUSR1, SIGALRM}) {
      CHECK(::sigismember(&s.mask, sig) == 1);
      CHECK(::sigismember(&after, sig) == ::sigismember(&before, sig));
    }
    CHECK(::sigismember(&s.mask, SIGSEGV) == 0);
  }

  TEST_CASE("stop waits for what runs, runs what is queued, and may be called twice") {
    blocking_pool pool({.limit = 1, .linger = hours(1)});
    gate_job gate;
    pool.submit(gate);
    gate.wait_entered();
    std::deque<counted_job> jobs(10);
    for (counted_job& job : jobs)
      pool.submit(job);
    std::thread stopper([&] { pool.stop(); });
    gate.let_go();
    stopper.join();
    for (counted_job& job : jobs)
      CHECK(job.runs == 1);
    const auto none = pool.count();
    CHECK(none.threads == 0);
    CHECK(none.idle == 0);
    CHECK(none.running == 0);
    pool.stop();
  }

  TEST_CASE("where no thread can be started the job runs on the calling thread") {
    bool here = false;
    int runs = 0;
    const bool could = sluice_test::run_denied({{SYS_clone3, EAGAIN}, {SYS_clone, EAGAIN}}, [&] {
      blocking_pool pool({});
      counted_job job;
      pool.submit(job);
      here = job.thread == std::this_thread::get_id();
      runs = job.runs;
      CHECK(pool.count().threads == 0);
    });
    if (!could) return sluice_test::skip("no seccomp filters");
    CHECK(here);
    CHECK(runs == 1);
  }

  TEST_CASE("where no more threads can be started those that are there run the job") {
    gate_job gate;
    counted_job job;
    blocking_pool pool({.limit = 4, .linger = hours(1)});
    pool.submit(gate);
    gate.wait_entered();
    std::thread::id caller;
    const bool could = sluice_test::run_denied({{SYS_clone3, EAGAIN}, {SYS_clone, EAGAIN}}, [&] {
      caller = std::this_thread::get_id();
      pool.submit(job);
    });
    gate.let_go();
    if (!could) return sluice_test::skip("no seccomp filters");
    job.wait();
    CHECK(job.thread != caller);
    CHECK(pool.count().threads == 1);
  }
}
