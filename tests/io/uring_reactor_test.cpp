// SPDX-License-Identifier: MIT
// The reactor on a ring: what each kind of operation ends with, when the kernel is entered, how the
// reactor parks and is woken, and how it ends. uring_cancel_test.cpp and uring_faults_test.cpp have
// the rest.
#include "io/uring_reactor.hpp"

#include "io/child.hpp"
#include "io/uring_fixture.hpp"

#include <cerrno>
#include <deque>
#include <memory>
#include <string>
#include <thread>

#include <doctest/doctest.h>

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

using namespace sluice::detail;
using namespace sluice_test;
using namespace std::chrono_literals;
using sluice::time_point;

TEST_SUITE("io/uring_reactor") {
  TEST_CASE("uring: a nop ends with 0") {
    uring_fixture r;
    test_op op(opcode::nop);
    CHECK(r.result_of(op) == 0);
  }

  TEST_CASE("uring: reads and writes a file at offsets and at its position") {
    uring_fixture r;
    const test_dir dir;
    const owned_fd file = dir.file();
    write_op write(file, "0123456789", 5);
    CHECK(r.result_of(write) == 10);

    read_op middle(file, 4, 7);
    CHECK(r.result_of(middle) == 4);
    CHECK(middle.text() == "2345");
    read_op to_end(file, 64, 13);
    CHECK(r.result_of(to_end) == 2);
    read_op behind(file, 64, 15);
    CHECK(r.result_of(behind) == 0);

    read_op next(file, 6);
    CHECK(r.result_of(next) == 6);
    CHECK(next.text().back() == '0');
    CHECK(r.result_of(next) == 6);
    CHECK(next.text() == "123456");
    write_op here(file, "ab");
    CHECK(r.result_of(here) == 2);
    read_op back(file, 3, 12);
    CHECK(r.result_of(back) == 3);
    CHECK(back.text() == "ab9");
  }

  TEST_CASE("uring: gathers and scatters") {
    uring_fixture r;
    const test_dir dir;
    const owned_fd file = dir.file();
    vector_op out(opcode::writev, file, "abcdefgh", 1);
    CHECK(r.result_of(out) == 8);
    vector_op in(opcode::readv, file, "........", 2);
    CHECK(r.result_of(in) == 7);
    CHECK(in.buffer == "bcdefgh.");

    const test_pipe p;
    vector_op to_pipe(opcode::writev, p.out, "12345678");
    CHECK(r.result_of(to_pipe) == 8);
    vector_op from_pipe(opcode::readv, p.in, "........");
    CHECK(r.result_of(from_pipe) == 8);
    CHECK(from_pipe.buffer == "12345678");
  }

  TEST_CASE("uring: opens, states and syncs files") {
    uring_fixture r;
    const test_dir dir;
    std::string path = dir / "other";
    test_op open(opcode::openat, AT_FDCWD);
    open.addr = path.data();
    open.len = 0640;
    open.flags = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC;
    const owned_fd fd(r.result_of(open));
    REQUIRE(fd >= 0);
    CHECK((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    CHECK(r.result_of(open) == -EEXIST);
    REQUIRE(::write(fd, "12345", 5) == 5);

    for (const std::uint32_t data_only : {0u, 1u}) {
      test_op sync(opcode::fsync, fd);
      sync.flags = data_only;
      CHECK(r.result_of(sync) == 0);
    }

    struct statx about{};
    test_op stat(opcode::statx, AT_FDCWD);
    stat.addr = path.data();
    stat.addr2 = &about;
    stat.len = STATX_BASIC_STATS;
    CHECK(r.result_of(stat) == 0);
    CHECK(about.stx_size == 5);
    CHECK((about.stx_mode & 0777) == 0640);

    char empty[] = "";
    about.stx_size = 0;
    test_op by_fd(opcode::statx, fd);
    by_fd.addr = empty;
    by_fd.addr2 = &about;
    by_fd.len = STATX_SIZE;
    by_fd.flags = AT_EMPTY_PATH;
    CHECK(r.result_of(by_fd) == 0);
    CHECK(about.stx_size == 5);

    ::unlink(path.c_str());
    CHECK(r.result_of(stat) == -ENOENT);
  }

  TEST_CASE("uring: poll ends when the descriptor is ready, with what it is ready for") {
    uring_fixture r;
    const test_pipe p;
    poll_op readable(p.in, POLLIN);
    r.start(readable);
    r.poll(at_once);
    CHECK_FALSE(readable.ended());
    p.put("x");
    r.drain();
    CHECK(readable.got == POLLIN);
    poll_op writable(p.out, POLLIN | POLLOUT);
    CHECK(r.result_of(writable) == POLLOUT);
  }

  TEST_CASE("uring: what the system refuses ends with its errno") {
    uring_fixture r;
    constexpr int no_descriptor = 1'000'000;
    read_op read(no_descriptor);
    CHECK(r.result_of(read) == -EBADF);
    write_op write(no_descriptor, "x");
    CHECK(r.result_of(write) == -EBADF);
    test_op sync(opcode::fsync, no_descriptor);
    CHECK(r.result_of(sync) == -EBADF);
    poll_op poll(no_descriptor, POLLIN);
    CHECK(r.result_of(poll) == -EBADF);
    const test_pipe p;
    read_op wrong_end(p.out);
    CHECK(r.result_of(wrong_end) == -EBADF);
  }

  TEST_CASE("uring: a descriptor in non-blocking mode is waited for like any other") {
    uring_fixture r;
    const test_pipe p(O_NONBLOCK);
    read_op read(p.in);
    r.start(read);
    r.poll(at_once);
    CHECK_FALSE(read.ended());
    p.put("later");
    r.drain();
    CHECK(read.text() == "later");
  }

  TEST_CASE("uring: starting makes no system call until 32 are pending") {
    uring_fixture r;
    std::deque<test_op> ops;
    for (int i = 0; i != 31; ++i)
      r.start(ops.emplace_back(opcode::nop));
    CHECK(r.syscalls() == 0);
    CHECK(r.ready());
    r.start(ops.emplace_back(opcode::nop));
    CHECK(r.syscalls() == 1);
    CHECK(r.inflight() == 32);
    CHECK(r.ready());
    r.poll(at_once);  // they have completed inside that system call
    CHECK(r.syscalls() == 1);
    CHECK(r.inflight() == 0);
  }

  TEST_CASE("uring: parking is one system call, and a poll with nothing to do is none") {
    uring_fixture r;
    CHECK_FALSE(r.ready());
    r.poll(at_once);
    r.poll(time_point::min());
    r.poll(monotonic_now());
    CHECK(r.syscalls() == 0);

    test_op op(opcode::nop);
    r.start(op);
    r.poll(time_point::max());
    CHECK(op.ended());
    CHECK(r.syscalls() == 1);
    CHECK_FALSE(r.ready());

    for (unsigned i = 2; i != 4; ++i) {
      const time_point deadline = monotonic_now() + 1ms;
      r.poll(deadline);
      CHECK(monotonic_now() >= deadline);
      CHECK(r.syscalls() == i);
      CHECK_FALSE(r.ready());
    }
  }

  TEST_CASE("uring: a wake ends the next poll, however early it came") {
    uring_fixture r;
    for (int i = 0; i != 3; ++i) {
      r.wake();
      r.wake();  // both are one
      r.poll(at_once);
      r.poll(time_point::max());
    }
    const time_point deadline = monotonic_now() + 1ms;
    r.poll(deadline);
    CHECK(monotonic_now() >= deadline);
  }

  TEST_CASE("uring: wakes from other threads are never lost") {
    constexpr int count = 5'000;
    uring_fixture r(4, 8);
    std::atomic<int> seen{0};
    std::thread other([&] {
      for (int i = 0; i != count; ++i) {
        r.wake();
        while (seen.load() <= i)
          std::this_thread::yield();
      }
    });
    // The reactor has nothing else to return for.
    for (int i = 0; i != count; ++i) {
      r.poll(time_point::max());
      seen.store(i + 1);
    }
    other.join();
    CHECK(r.syscalls() >= 2 * count);
  }

  TEST_CASE("uring: one poll completes 256, and the rest is ready") {
    uring_fixture r;
    std::deque<test_op> ops;
    for (int i = 0; i != 300; ++i)
      r.start(ops.emplace_back(opcode::nop));
    r.poll(at_once);
    CHECK(r.inflight() == 300 - 256);
    CHECK(r.ready());
    r.poll(at_once);
    CHECK(r.inflight() == 0);
    CHECK_FALSE(r.ready());
  }

  TEST_CASE("uring: one poll completes all that became ready, not only the first 20") {
    uring_fixture r;
    const test_pipe p;
    std::deque<read_op> reads;
    for (int i = 0; i != 100; ++i)
      r.start(reads.emplace_back(p.in, 1));
    r.poll(at_once);
    CHECK(r.inflight() == 100);
    CHECK_FALSE(r.ready());
    p.put(std::string(100, 'x'));
    CHECK(r.ready());  // seen without a system call
    r.poll(time_point::max());
    CHECK(r.inflight() == 0);
  }

  TEST_CASE("uring: a ring of 4 serves hundreds, each completed once") {
    uring_fixture r(4, 8);
    const test_pipe p;
    std::deque<read_op> reads;
    std::deque<test_op> nops;
    for (int i = 0; i != 400; ++i) {
      r.start(reads.emplace_back(p.in, 1));
      r.start(nops.emplace_back(opcode::nop));
    }
    CHECK(r.inflight() == 800);
    while (r.inflight() != 400)
      r.poll(time_point::max());
    for (const test_op& op : nops)
      REQUIRE(op.ends == 1);
    p.put(std::string(400, 'x'));
    r.drain();
    for (const read_op& read : reads) {
      REQUIRE(read.ends == 1);
      REQUIRE(read.got == 1);
    }
    CHECK_FALSE(r.ready());
  }

  TEST_CASE("uring: destroyed with operations in flight it dies with clear words") {
    const child_end end = in_child([] {
      const test_pipe p;
      read_op read(p.in);
      uring_fixture r;
      r.start(read);
      return 0;
    });
    CHECK(end.aborted());
    CHECK_MESSAGE(end.said("io_uring: reactor destroyed with operations in flight"), end.text);
  }

  TEST_CASE("uring: may be destroyed armed, by its thread or after that has ended") {
    {
      uring_fixture r;
      r.poll(monotonic_now() + 1us);
      r.wake();
    }
    std::unique_ptr<reactor> r;
    std::thread([&] {
      r = make_uring_reactor({});
      r->poll(monotonic_now() + 1us);
    }).join();
    r.reset();
  }

  TEST_CASE("uring: a forked child that uses it dies with clear words, and the parent goes on") {
    uring_fixture r;
    test_op op(opcode::nop);
    for (int use = 0; use != 5; ++use) {
      const child_end end = in_child([&] {
        if (use == 0) r.start(op);
        if (use == 1) r.cancel(op);
        if (use == 2) r.poll(time_point::max());
        if (use == 3) r.wake();
        if (use == 4) (void)r.ready();
        return 0;
      });
      CHECK(end.aborted());
      CHECK_MESSAGE(end.said("is used in the child"), end.text);
    }
    CHECK(r.result_of(op) == 0);
  }
}
