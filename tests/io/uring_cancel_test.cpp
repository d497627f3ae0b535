// SPDX-License-Identifier: MIT
// Cancelling an operation on a ring, wherever it is: waiting for room, prepared, in the kernel, in
// an io-wq thread, over. It ends once, with what it did or with ECANCELED.
#include "io/uring_fixture.hpp"

#include <algorithm>
#include <cerrno>
#include <deque>
#include <string>

#include <doctest/doctest.h>

#include <fcntl.h>
#include <poll.h>

using namespace sluice::detail;
using namespace sluice_test;
using namespace std::chrono_literals;
using sluice::time_point;

namespace {

// A ring that submits nothing in the enters [first, last).
ring_faults refusing(unsigned first, unsigned last) {
  ring_faults faults;
  faults.refusals = 1000;
  faults.first_enter = first;
  faults.last_enter = last;
  return faults;
}

}  // namespace

TEST_SUITE("io/uring_cancel") {
  TEST_CASE("uring cancel: an operation in flight ends with ECANCELED, others go on") {
    uring_fixture r;
    const test_pipe p;
    read_op read(p.in);
    read_op other(p.in);
    r.start(read);
    r.start(other);
    r.poll(at_once);
    r.cancel(read);
    r.cancel(read);
    CHECK_FALSE(read.ended());
    r.poll(time_point::max());
    CHECK(read.ends == 1);
    CHECK(read.got == -ECANCELED);
    CHECK(r.inflight() == 1);
    p.put("o");
    r.drain();
    CHECK(other.text() == "o");
  }

  TEST_CASE("uring cancel: a poll ends with ECANCELED") {
    uring_fixture r;
    const test_pipe p;
    poll_op poll(p.in, POLLIN);
    r.start(poll);
    r.poll(at_once);
    r.cancel(poll);
    r.drain();
    CHECK(poll.got == -ECANCELED);
  }

  TEST_CASE("uring cancel: finds an operation that is not submitted yet") {
    uring_fixture r;
    const test_pipe p;
    read_op read(p.in);
    r.start(read);
    r.cancel(read);
    CHECK(r.syscalls() == 0);
    r.drain();
    CHECK(read.ends == 1);
    CHECK(read.got == -ECANCELED);
  }

  TEST_CASE("uring cancel: an operation that has completed keeps its result") {
    uring_fixture r;
    const test_pipe p;
    read_op read(p.in);
    p.put("d");
    r.start(read);
    std::deque<test_op> nops;
    for (int i = 0; i != 31; ++i)
      r.start(nops.emplace_back(opcode::nop));
    CHECK(r.syscalls() == 1);  // all submitted, and completed in there
    r.cancel(read);
    r.poll(at_once);
    CHECK(read.ends == 1);
    CHECK(read.text() == "d");
    CHECK(r.inflight() == 0);
  }

  TEST_CASE("uring cancel: does not hit what is started at the same address") {
    uring_fixture r;
    const test_pipe p;
    read_op read(p.in, 1);
    p.put("1");
    r.start(read);
    std::deque<test_op> nops;
    for (int i = 0; i != 31; ++i)
      r.start(nops.emplace_back(opcode::nop));
    r.cancel(read);  // prepared; what it is for completes before it is submitted
    while (!read.ended()) {
      // reaps alone: the cancellation stays where it is
      r.poll(at_once);
    }
    CHECK(read.text() == "1");
    read.ends = 0;
    r.start(read);
    r.poll(at_once);
    CHECK_FALSE(read.ended());
    p.put("2");
    r.drain();
    CHECK(read.text() == "2");
  }

  TEST_CASE("uring cancel: one that succeeds costs no completion of its own") {
    uring_fixture r;
    const test_pipe p;
    std::deque<read_op> reads;
    for (int i = 0; i != 200; ++i)
      r.start(reads.emplace_back(p.in));
    for (read_op& read : reads)
      r.cancel(read);
    r.poll(at_once);  // 256 at most
    CHECK(r.inflight() == 0);
  }

  TEST_CASE("uring cancel: an open that blocks in the kernel ends with ECANCELED") {
    uring_fixture r;
    const test_dir dir;
    dir.fifo();
    std::string path = dir / "fifo";
    test_op open(opcode::openat, AT_FDCWD);
    open.addr = path.data();
    open.flags = O_RDONLY | O_CLOEXEC;  // waits for a writer
    r.start(open);
    r.poll(monotonic_now() + 1ms);
    CHECK_FALSE(open.ended());
    r.cancel(open);
    r.drain();
    CHECK(open.got == -ECANCELED);
  }

  TEST_CASE("uring cancel: what the ring refuses waits in order, and may be cancelled there") {
    const ring_faults faults = refusing(0, 20);
    uring_fixture r(4, 8, &faults);
    const test_pipe p;
    std::deque<read_op> reads;
    for (int i = 0; i != 10; ++i)
      r.start(reads.emplace_back(p.in, 1));
    CHECK(r.waiting() == 6);  // 4 are in the submission queue
    CHECK(r.ready());

    r.cancel(reads[6]);  // in the middle
    CHECK(reads[6].ends == 1);
    CHECK(reads[6].got == -ECANCELED);
    r.cancel(reads[9]);  // the last
    r.cancel(reads[4]);  // the first
    CHECK(r.waiting() == 3);
    CHECK(r.inflight() == 7);
    r.cancel(reads[1]);  // prepared: its cancellation waits behind all others
    CHECK_FALSE(reads[1].ended());
    CHECK(r.waiting() == 4);

    r.start(reads.emplace_back(p.in, 1));
    CHECK(r.waiting() == 5);
    p.put("abcdefgh");
    r.drain();
    CHECK(r.injected().refusals > 10);
    // A pipe gives to its readers in the order they came.
    std::string order;
    for (const read_op& read : reads) {
      REQUIRE(read.ends == 1);
      order += read.text();
    }
    CHECK(std::is_sorted(order.begin(), order.end()));
    CHECK(order.size() >= 7);  // all but reads[1], if its cancellation came first
  }

  TEST_CASE("uring cancel: a cancellation that waits for room is not lost") {
    const ring_faults faults = refusing(1, 12);
    uring_fixture r(4, 8, &faults);
    const test_pipe p;
    std::deque<read_op> reads;
    for (int i = 0; i != 3; ++i)
      r.start(reads.emplace_back(p.in));
    r.poll(at_once);  // the one enter that is let through
    std::deque<test_op> nops;
    for (int i = 0; i != 6; ++i)
      r.start(nops.emplace_back(opcode::nop));
    CHECK(r.waiting() == 2);
    for (read_op& read : reads)
      r.cancel(read);
    CHECK(r.waiting() == 5);
    r.drain();
    for (const read_op& read : reads) {
      CHECK(read.ends == 1);
      CHECK(read.got == -ECANCELED);
    }
    CHECK(r.waiting() == 0);
  }

  TEST_CASE("uring cancel: an operation that ends takes its waiting cancellation along") {
    const ring_faults faults = refusing(1, 40);
    uring_fixture r(4, 8, &faults);
    const test_pipe p;
    read_op read(p.in, 1);
    r.start(read);
    r.poll(at_once);
    std::deque<test_op> nops;
    for (int i = 0; i != 6; ++i)
      r.start(nops.emplace_back(opcode::nop));
    r.cancel(read);
    CHECK(r.waiting() == 3);
    p.put("k");
    // Nothing can be submitted, but a pause lets the kernel complete what it has.
    while (!read.ended())
      r.poll(time_point::max());
    CHECK(read.ends == 1);
    CHECK(read.text() == "k");
    CHECK(r.waiting() == 2);
    CHECK(r.injected().refusals < 39);

    // The address may be started again: nothing is left that would cancel it.
    read.ends = 0;
    r.start(read);
    p.put("l");
    r.drain();
    CHECK(read.text() == "l");
  }
}
