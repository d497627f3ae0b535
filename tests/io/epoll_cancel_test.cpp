// SPDX-License-Identifier: MIT
// The epoll reactor: cancelling in each state, jobs that come too late, and all of it at random.
#include "io/epoll_fixture.hpp"

#include <algorithm>
#include <memory>
#include <random>

#include <poll.h>
#include <sys/syscall.h>

using namespace sluice_test;
using sluice::detail::opcode;
using sluice::detail::pool_job;

namespace {

/// Holds a thread of the pool until it is let go.
struct gate_job : pool_job {
  gate_job() {
    run = [](pool_job& j) noexcept {
      auto& self = static_cast<gate_job&>(j);
      self.entered.store(true, std::memory_order_release);
      self.entered.notify_all();
      self.open.wait(false, std::memory_order_acquire);
    };
  }
  void let_go() {
    open.store(true, std::memory_order_release);
    open.notify_all();
  }
  std::atomic<bool> entered{false}, open{false};
};

/// Keeps the only thread of a fixture's pool busy.
struct busy_fixture {
  busy_fixture() {
    f.pool.submit(gate);
    gate.entered.wait(false, std::memory_order_acquire);
  }
  ~busy_fixture() { gate.let_go(); }
  gate_job gate;
  epoll_fixture f{{.limit = 1}};
};

}  // namespace

TEST_SUITE("io/epoll_reactor") {
  TEST_CASE("cancel ends what waits for readiness at once and leaves the others") {
    epoll_fixture f;
    const test_pipe pipe;
    std::deque<read_op> ops;
    for (int i = 0; i < 5; ++i)
      f.start(ops.emplace_back(pipe.in, 1));
    poll_op first(pipe.in, POLLIN), second(pipe.in, POLLIN);
    f.start(first);
    f.start(second);
    for (test_op* op : std::initializer_list<test_op*>{&ops[0], &ops[2], &ops[4], &first}) {
      f.reactor.cancel(*op);
      CHECK(op->ends == 1);
      CHECK(op->got == -ECANCELED);
    }
    CHECK(f.reactor.inflight() == 3);
    pipe.put("ab");
    f.drain();
    CHECK(ops[1].text() == "a");
    CHECK(ops[3].text() == "b");
    CHECK(second.got == POLLIN);
  }

  TEST_CASE("after the last waiter was cancelled its descriptor can be waited for again") {
    epoll_fixture f;
    const test_pipe pipe;
    for (int i = 0; i < 10; ++i) {
      read_op given_up(pipe.in, 1), kept(pipe.in, 1);
      f.start(given_up);
      f.reactor.cancel(given_up);
      CHECK(given_up.got == -ECANCELED);
      if (i % 2 == 0) pipe.put("x");
      f.poll_now();  // the registration that nobody waits for any more reports
      f.start(kept);
      if (i % 2 != 0) pipe.put("x");
      f.drain();
      CHECK(kept.text() == "x");
    }
  }

  TEST_CASE("a descriptor that nobody waits for any more wakes nobody") {
    epoll_fixture f;
    const test_pipe pipe;
    for (int i = 0; i < 3; ++i) {
      read_op op(pipe.in);
      f.start(op);
      f.reactor.cancel(op);
    }
    pipe.put("x");
    f.poll_now();
    int polls = 0;
    for (const auto deadline = monotonic() + std::chrono::milliseconds(1); monotonic() < deadline;
         ++polls) {
      f.reactor.poll(deadline);
    }
    CHECK(polls <= 2);
  }

  TEST_CASE("cancel of what has ended already changes nothing: the result wins") {
    epoll_fixture f;
    const test_pipe pipe;
    pipe.put("done");
    read_op op(pipe.in);
    test_op nop(opcode::nop), last(opcode::nop);
    f.start(nop);
    f.start(op);
    f.start(last);
    f.reactor.cancel(op);
    f.reactor.cancel(nop);
    CHECK_FALSE(op.ended());
    f.drain();
    CHECK(op.ends == 1);
    CHECK(op.text() == "done");
    CHECK(nop.got == 0);
  }

  TEST_CASE("cancel takes back what no thread of the pool has begun") {
    const test_dir dir;
    const owned_fd fd = dir.file();
    busy_fixture busy;
    std::deque<write_op> ops;
    for (int i = 0; i < 4; ++i)
      busy.f.start(ops.emplace_back(fd, "x", i));
    CHECK(busy.f.reactor.inflight() == 4);
    for (const std::size_t i : {2u, 0u}) {
      busy.f.reactor.cancel(ops[i]);
      CHECK(ops[i].ends == 1);
      CHECK(ops[i].got == -ECANCELED);
    }
    CHECK(busy.f.reactor.inflight() == 2);
    busy.gate.let_go();
    busy.f.drain();
    CHECK(ops[1].got == 1);
    CHECK(ops[3].got == 1);
    char bytes[4] = {'-', '-', '-', '-'};
    CHECK(::pread(fd, bytes, 4, 0) == 4);
    CHECK(bytes[0] == '\0');
    CHECK(bytes[1] == 'x');
  }

  TEST_CASE("cancel of a running call waits for it: an open of a fifo ends when its peer comes") {
    epoll_fixture f({.limit = 1});
    const test_dir dir;
    owned_fd both = dir.fifo();
    both.reset();
    std::string path = dir / "fifo";
    test_op op(opcode::openat, AT_FDCWD);
    op.addr = path.data();
    op.flags = O_RDONLY | O_CLOEXEC;
    f.start(op);
    while (f.pool.count().running == 0)
      std::this_thread::yield();
    f.reactor.cancel(op);
    f.reactor.cancel(op);
    f.poll_now();
    CHECK_FALSE(op.ended());
    const owned_fd writer(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    f.drain();
    const owned_fd opened(op.got);
    CHECK(opened >= 0);
  }

  TEST_CASE("cancel of what is on its way home does not reach the job's next operation") {
    epoll_fixture f({.limit = 1});
    const test_dir dir;
    const owned_fd fd = dir.file();
    write_op first(fd, "1", 0);
    f.start(first);
    while (f.reactor.inflight() != 0)
      std::this_thread::yield();  // sent home, not completed
    gate_job gate;
    f.pool.submit(gate);
    gate.entered.wait(false, std::memory_order_acquire);
    write_op second(fd, "2", 1);
    f.start(second);  // takes the job over, and is queued
    f.reactor.cancel(first);
    CHECK_FALSE(second.ended());
    CHECK_FALSE(first.ended());
    gate.let_go();
    f.drain();
    CHECK(first.got == 1);
    CHECK(second.got == 1);
    f.pool.stop();
  }

  TEST_CASE("cancel of a stream's job: withdrawn, or ended when it comes back unready") {
    const test_dir dir;
    const owned_fd fifo = dir.fifo();
    busy_fixture busy;
    read_op first(fifo, 1), second(fifo, 1), third(fifo, 1);
    REQUIRE(::write(fifo, "x", 1) == 1);
    for (test_op* op : std::initializer_list<test_op*>{&first, &second, &third}) {
      busy.f.start(*op);
    }
    CHECK(busy.f.pool.count().queued == 3);  // all saw the one byte
    busy.f.reactor.cancel(third);
    CHECK(third.got == -ECANCELED);
    busy.gate.let_go();
    while (busy.f.pool.count().queued != 0 || busy.f.pool.count().running != 0) {
      std::this_thread::yield();
    }
    busy.f.reactor.cancel(second);  // its thread has found nothing to read
    busy.f.drain();
    CHECK(first.text() == "x");
    CHECK(second.got == -ECANCELED);
  }

  TEST_CASE("a stream's job that comes too late sends its operation back to wait") {
    const test_dir dir;
    const owned_fd fifo = dir.fifo();
    busy_fixture busy;
    read_op op(fifo, 1);
    REQUIRE(::write(fifo, "x", 1) == 1);
    busy.f.start(op);
    CHECK(busy.f.pool.count().queued == 1);
    char stolen;
    REQUIRE(::read(fifo, &stolen, 1) == 1);
    const auto self = static_cast<pid_t>(::syscall(SYS_gettid));
    std::thread opener([&] {
      until_asleep(self);
      busy.gate.let_go();
    });
    busy.f.poll();  // blocks until the job has come back
    opener.join();
    busy.f.settle();
    CHECK_FALSE(op.ended());
    CHECK(busy.f.reactor.inflight() == 1);
    REQUIRE(::write(fifo, "y", 1) == 1);
    busy.f.drain();
    CHECK(op.text() == "y");
  }

  TEST_CASE("a report of a stream sends one reader to the pool, not all") {
    const test_dir dir;
    const owned_fd fifo = dir.fifo();
    busy_fixture busy;
    std::deque<read_op> ops;
    for (int i = 0; i < 3; ++i)
      busy.f.start(ops.emplace_back(fifo, 1));
    REQUIRE(::write(fifo, "x", 1) == 1);
    busy.f.poll();
    CHECK(busy.f.pool.count().queued == 1);
    CHECK(busy.f.reactor.inflight() == 3);
    for (read_op& op : ops)
      busy.f.reactor.cancel(op);
    CHECK(busy.f.ended == 3);
  }

  TEST_CASE("at random: pipes, files and fifos, waits, cancels; each operation ends once") {
    const unsigned seed = std::random_device{}();
    CAPTURE(seed);
    std::mt19937 random(seed);
    const auto below = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
    const test_dir dir;
    const owned_fd file = dir.file(std::string(4096, 'f')), fifo = dir.fifo();
    std::deque<test_pipe> pipes(4);
    for (const test_pipe& pipe : pipes)
      ::fcntl(pipe.out, F_SETFL, O_NONBLOCK);
    epoll_fixture f({.limit = 3, .linger = std::chrono::microseconds(50)});
    std::vector<std::unique_ptr<test_op>> live;
    const auto make = [&]() -> std::unique_ptr<test_op> {
      const test_pipe& pipe = pipes[below(4)];
      switch (below(7)) {
        case 0:
          return std::make_unique<read_op>(file, 16, below(4096));
        case 1:
          return std::make_unique<write_op>(file, "ffff", below(4000));
        case 2:
          return std::make_unique<read_op>(fifo, 1);
        case 3:
          return std::make_unique<poll_op>(pipe.in, POLLIN);
        case 4:
          return std::make_unique<test_op>(opcode::fsync, fifo);
        case 5:
          return std::make_unique<write_op>(pipe.out, std::string(8000, 'p'));
        default:
          return std::make_unique<read_op>(pipe.in, 1 + below(16000));
      }
    };
    int cancelled = 0, wrong = 0, fifo_bytes = 0;
    for (int step = 0; step < 20000; ++step) {
      if (live.size() < 60) f.start(*live.emplace_back(make()));
      if (below(16) == 0) fifo_bytes += ::write(fifo, "x", 1) == 1;
      test_op& victim = *live[below(static_cast<unsigned>(live.size()))];
      if (below(4) == 0 && !victim.ended()) f.reactor.cancel(victim);
      f.poll(sluice::time_point::min());
      const auto gone =
          std::partition(live.begin(), live.end(), [](const auto& op) { return !op->ended(); });
      for (auto at = gone; at != live.end(); ++at) {
        wrong += (*at)->ends != 1;
        cancelled += (*at)->got == -ECANCELED;
      }
      live.erase(gone, live.end());
    }
    for (const auto& op : live) {
      if (!op->ended()) f.reactor.cancel(*op);
    }
    f.drain();
    for (const auto& op : live)
      wrong += op->ends != 1;
    CHECK(wrong == 0);
    CHECK(cancelled > 100);
    CHECK(f.started > 10000);
    CHECK(fifo_bytes > 100);
  }
}
