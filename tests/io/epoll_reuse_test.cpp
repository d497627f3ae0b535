// SPDX-License-Identifier: MIT
// The epoll reactor: descriptors whose number is closed and used again while operations wait for it.
#include "io/epoll_fixture.hpp"

#include <poll.h>

using namespace sluice_test;

namespace {

/// Puts a fresh pipe's reading end at a number.
test_pipe pipe_at(int number) {
  test_pipe made;
  if (made.in != number) {
    ::dup2(made.in, number);
    made.in = owned_fd(number);
  }
  return made;
}

}  // namespace

TEST_SUITE("io/epoll_reactor") {
  TEST_CASE(
      "a number closed and reused: who waited for the old file gets EBADF, not the new data") {
    epoll_fixture f;
    test_pipe old;
    const int number = old.in;
    read_op lost(number), lost_too(number);
    poll_op lost_poll(number, POLLIN);
    f.start(lost);
    f.start(lost_too);
    f.start(lost_poll);
    f.poll_now();
    old.in.reset();
    const test_pipe fresh = pipe_at(number);
    read_op op(number);
    f.start(op);
    f.poll_now();
    CHECK(lost.got == -EBADF);
    CHECK(lost_too.got == -EBADF);
    CHECK(lost_poll.got == -EBADF);
    CHECK_FALSE(op.ended());
    fresh.put("fresh");
    f.drain();
    CHECK(op.text() == "fresh");
  }

  TEST_CASE("a number closed and reused is found out by whoever comes to wait, for anything") {
    epoll_fixture f;
    test_pipe old;
    const int number = old.in;
    read_op lost(number);
    f.start(lost);
    f.poll_now();
    old.in.reset();
    const test_pipe fresh = pipe_at(number);
    poll_op op(number, POLLIN);
    f.start(op);
    f.poll_now();
    CHECK(lost.got == -EBADF);
    fresh.put("x");
    f.drain();
    CHECK(op.got == POLLIN);
  }

  TEST_CASE("a number reused while the old file lives on: its late report is void") {
    epoll_fixture f;
    test_pipe old;
    const int number = old.in;
    const owned_fd kept(::fcntl(number, F_DUPFD_CLOEXEC, 0));  // keeps the registration alive
    read_op given_up(number);
    f.start(given_up);
    f.reactor.cancel(given_up);
    old.in.reset();
    const test_pipe fresh = pipe_at(number);
    poll_op op(number, POLLIN);
    f.start(op);
    f.poll_now();
    old.put("old");  // reports for the old file, under this number
    f.poll_now();
    f.poll_now();
    CHECK_FALSE(op.ended());
    fresh.put("x");
    f.drain();
    CHECK(op.got == POLLIN);
  }

  TEST_CASE("a number reused by a regular file") {
    epoll_fixture f;
    const test_dir dir;
    test_pipe old;
    const int number = old.in;
    read_op lost(number);
    f.start(lost);
    f.poll_now();
    owned_fd file = dir.file("content");
    ::dup2(file, number);
    read_op op(number, 64, 0);
    f.start(op);
    f.drain();
    CHECK(lost.got == -EBADF);
    CHECK(op.text() == "content");
  }

  TEST_CASE("a descriptor that was closed and opened a thousand times waits like a fresh one") {
    epoll_fixture f;
    int number = -1;
    for (int i = 0; i < 1000; ++i) {
      const test_pipe pipe;
      if (number < 0) number = pipe.in;
      CHECK(pipe.in == number);
      read_op op(pipe.in);
      f.start(op);
      pipe.put("x");
      f.drain();
      CHECK(op.text() == "x");
    }
  }
}
