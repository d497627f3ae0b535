// SPDX-License-Identifier: MIT
// The epoll reactor: every opcode, waiting in turn, the pool, waking. Cancelling and reuse of
// descriptors: epoll_cancel_test.cpp,
// epoll_reuse_test.cpp.
#include "io/epoll_fixture.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

using namespace sluice_test;
using sluice::detail::opcode;

TEST_SUITE("io/epoll_reactor") {
  TEST_CASE("every opcode ends with its call's result") {
    const test_dir dir;
    const owned_fd fd = dir.file("0123456789");
    const test_pipe pipe;
    std::string path = dir / "file";
    char empty_path[] = "";
    struct statx found{};
    epoll_fixture f;

    test_op nop(opcode::nop), fsync(opcode::fsync, fd), openat(opcode::openat, AT_FDCWD),
        statx(opcode::statx, fd);
    openat.addr = path.data();
    openat.flags = O_RDONLY | O_CLOEXEC;
    statx.addr = empty_path;
    statx.addr2 = &found;
    statx.flags = AT_EMPTY_PATH;
    statx.len = STATX_SIZE;
    read_op read(fd, 4, 3);
    write_op write(fd, "ab", 10);
    vector_op readv(opcode::readv, fd, std::string(4, '.'), 0);
    vector_op writev(opcode::writev, pipe.out, "pipe");
    poll_op poll(pipe.out, POLLOUT);
    for (test_op* op : std::initializer_list<test_op*>{&nop, &fsync, &openat, &statx, &read, &write,
                                                       &readv, &writev, &poll}) {
      f.start(*op);
    }
    f.drain();
    const owned_fd opened(openat.got);
    CHECK(nop.got == 0);
    CHECK(fsync.got == 0);
    CHECK(opened >= 0);
    CHECK(statx.got == 0);
    CHECK(found.stx_size >= 10);
    CHECK(read.text() == "3456");
    CHECK(write.got == 2);
    CHECK(readv.buffer == "0123");
    CHECK(writev.got == 4);
    CHECK(poll.got == POLLOUT);
    CHECK(f.reactor.syscalls() >= 8);
  }

  TEST_CASE("errors end operations with -errno, whichever way they take") {
    epoll_fixture f;
    const test_pipe pipe;
    char nowhere[] = "/nonexistent/sluice";
    test_op openat(opcode::openat, AT_FDCWD), fsync(opcode::fsync, pipe.in);
    openat.addr = nowhere;
    read_op bad(-1), seek(pipe.in, 8, 0);
    poll_op closed(1 << 20, POLLIN), negative(-1, POLLIN);
    for (test_op* op :
         std::initializer_list<test_op*>{&openat, &fsync, &bad, &seek, &closed, &negative}) {
      f.start(*op);
    }
    f.drain();
    CHECK(openat.got == -ENOENT);
    CHECK(fsync.got == -EINVAL);
    CHECK(bad.got == -EBADF);
    CHECK(seek.got == -ESPIPE);
    CHECK(closed.got == -EBADF);
    CHECK(negative.got == -EBADF);
  }

  TEST_CASE("what ends at once is completed by the next poll, without waiting") {
    epoll_fixture f;
    test_op op(opcode::nop);
    CHECK_FALSE(f.reactor.ready());
    f.start(op);
    CHECK(f.reactor.ready());
    CHECK(f.reactor.inflight() == 1);
    CHECK_FALSE(op.ended());
    f.reactor.poll(sluice::time_point::max());
    CHECK(op.ended());
    CHECK(f.reactor.inflight() == 0);
    CHECK_FALSE(f.reactor.ready());
  }

  TEST_CASE("a read waits for what is written later: pipe, socket, eventfd, fifo, terminal") {
    epoll_fixture f;
    const test_dir dir;
    const test_pipe pipe, soft(O_NONBLOCK);
    int pair[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    const owned_fd socket(pair[0]), peer(pair[1]), fifo = dir.fifo(),
                                                   counter(::eventfd(0, EFD_CLOEXEC));
    const test_terminal terminal;
    struct {
      int from, to;
    } const ends[] = {{pipe.in, pipe.out}, {soft.in, soft.out}, {socket, peer},
                      {counter, counter},  {fifo, fifo},        {terminal.program, terminal.user}};
    for (const auto& end : ends) {
      if (end.from < 0) continue;  // no terminals in this sandbox
      CAPTURE(end.from);
      read_op op(end.from, 8);
      f.start(op);
      f.poll_now();
      CHECK_FALSE(op.ended());
      CHECK(f.reactor.inflight() == 1);
      CHECK(f.reactor.ready());
      const char eight[] = "8 bytes\n";
      REQUIRE(::write(end.to, eight, 8) == 8);
      f.drain();
      CHECK(op.ends == 1);
      CHECK(op.text() == eight);
    }
  }

  TEST_CASE("a write to a full pipe waits for room, and takes what there is") {
    epoll_fixture f;
    const test_pipe pipe(O_NONBLOCK);
    fill(pipe.out);
    ::fcntl(pipe.out, F_SETFL, 0);  // in blocking mode the worker must not block either
    write_op op(pipe.out, std::string(1 << 20, 'x'));
    f.start(op);
    f.poll_now();
    CHECK_FALSE(op.ended());
    std::string room(1 << 15, '\0');
    REQUIRE(::read(pipe.in, room.data(), room.size()) > 0);
    f.drain();
    CHECK(op.got > 0);
    CHECK(op.got < 1 << 20);
  }

  TEST_CASE("readers of one descriptor are served in the order in which they came") {
    epoll_fixture f;
    const test_pipe pipe;
    std::deque<read_op> ops;
    for (int i = 0; i < 50; ++i)
      f.start(ops.emplace_back(pipe.in, 2));
    f.poll_now();
    CHECK(f.reactor.inflight() == 50);
    for (int i = 0; i < 20; ++i)
      pipe.put(std::to_string(10 + i));
    while (!ops[19].ended())
      f.poll();
    f.poll_now();
    CHECK(f.reactor.inflight() == 30);
    for (int i = 20; i < 50; ++i)
      pipe.put(std::to_string(10 + i));
    f.drain();
    for (int i = 0; i < 50; ++i) {
      CHECK(ops[static_cast<std::size_t>(i)].text() == std::to_string(10 + i));
      CHECK(ops[static_cast<std::size_t>(i)].turn == i);
    }
  }

  TEST_CASE("both directions and polls of one socket wait beside each other") {
    epoll_fixture f;
    int pair[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    const owned_fd socket(pair[0]), peer(pair[1]);
    ::fcntl(socket, F_SETFL, O_NONBLOCK);
    fill(socket);
    read_op in(socket);
    write_op out(socket, "after");
    poll_op readable(socket, POLLIN), also_readable(socket, POLLIN | POLLPRI),
        writable(socket, POLLOUT);
    for (test_op* op :
         std::initializer_list<test_op*>{&in, &out, &readable, &also_readable, &writable}) {
      f.start(*op);
    }
    f.poll_now();
    CHECK(f.reactor.inflight() == 5);
    REQUIRE(::write(peer, "x", 1) == 1);
    while (!in.ended())
      f.poll();
    CHECK(in.text() == "x");
    CHECK(readable.got == POLLIN);
    CHECK(also_readable.got == POLLIN);
    f.poll_now();
    CHECK_FALSE(out.ended());
    CHECK_FALSE(writable.ended());
    empty(peer);
    f.drain();
    CHECK(out.got == 5);
    CHECK(writable.got == POLLOUT);
  }

  TEST_CASE("the end of the other side wakes readers, writers and polls") {
    epoll_fixture f;
    test_pipe to_read, to_write(O_NONBLOCK), to_poll(O_NONBLOCK);
    fill(to_write.out);
    fill(to_poll.out);
    read_op first(to_read.in), second(to_read.in);
    write_op out(to_write.out, "x");
    poll_op errors_only(to_poll.out, 0);
    for (test_op* op : std::initializer_list<test_op*>{&first, &second, &out, &errors_only}) {
      f.start(*op);
    }
    f.poll_now();
    CHECK(f.reactor.inflight() == 4);
    to_read.out.reset();
    to_write.in.reset();
    to_poll.in.reset();
    f.drain();
    CHECK(first.got == 0);
    CHECK(second.got == 0);
    CHECK(out.got == -EPIPE);
    CHECK((errors_only.got & POLLERR) != 0);
  }

  TEST_CASE("readers of a blocking fifo share what comes, and none blocks a thread for ever") {
    epoll_fixture f({.limit = 4});
    const test_dir dir;
    const owned_fd fifo = dir.fifo();
    std::deque<read_op> ops;
    for (int i = 0; i < 6; ++i)
      f.start(ops.emplace_back(fifo, 1));
    for (int i = 0; i < 6; ++i) {
      REQUIRE(::write(fifo, "x", 1) == 1);
      while (f.ended != i + 1)
        f.poll();
      f.settle();
      CHECK(f.reactor.inflight() == static_cast<std::size_t>(5 - i));
      CHECK(f.pool.count().running == 0);
    }
    for (read_op& op : ops)
      CHECK(op.text() == "x");
  }

  TEST_CASE("files that were stdin: a regular file to its end, /dev/null, a terminal") {
    epoll_fixture f;
    const test_dir dir;
    const owned_fd file = dir.file("line\n"), null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    read_op text(file), end(file), nothing(null);
    write_op gone(null, "x");
    f.start(text);
    f.drain();
    for (test_op* op : std::initializer_list<test_op*>{&end, &nothing, &gone})
      f.start(*op);
    f.drain();
    CHECK(text.text() == "line\n");
    CHECK(end.got == 0);
    CHECK(nothing.got == 0);
    CHECK(gone.got == 1);
    poll_op always(file, POLLIN | POLLOUT);
    f.start(always);
    f.drain();
    CHECK(always.got == (POLLIN | POLLOUT));
  }

  TEST_CASE("a read of what the page cache does not have goes to the pool") {
    epoll_fixture f;
    const test_dir dir;
    const std::string content(1 << 16, 'c');
    const owned_fd fd = dir.file(content);
    REQUIRE(::fsync(fd) == 0);
    ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    read_op op(fd, 1 << 16, 0);
    f.start(op);
    f.drain();
    CHECK(op.text() == content);
  }

  TEST_CASE("a thousand file operations through two threads, and again without new memory") {
    epoll_fixture f({.limit = 2});
    const test_dir dir;
    const owned_fd fd = dir.file();
    for (int round = 0; round < 3; ++round) {
      std::deque<write_op> ops;
      for (int i = 0; i < 1000; ++i) {
        f.start(ops.emplace_back(fd, std::to_string(1000 + i), static_cast<std::uint64_t>(4 * i)));
      }
      f.drain();
      int wrong = 0;
      for (write_op& op : ops)
        wrong += op.got != 4 || op.ends != 1;
      CHECK(wrong == 0);
    }
    std::string all(4000, '\0');
    CHECK(::pread(fd, all.data(), all.size(), 0) == 4000);
    for (int i = 0; i < 1000; ++i) {
      if (all.compare(static_cast<std::size_t>(4 * i), 4, std::to_string(1000 + i)) != 0) {
        FAIL_CHECK("wrong bytes at " << 4 * i);
        break;
      }
    }
  }

  TEST_CASE("wake ends a poll, or the next one") {
    epoll_fixture f;
    for (int i = 0; i < 200; ++i) {
      std::atomic<int> published{0};
      std::thread waker([&] {
        published.store(1, std::memory_order_relaxed);
        f.reactor.wake();
        f.reactor.wake();
      });
      while (published.load(std::memory_order_relaxed) == 0) {
        f.reactor.poll(sluice::time_point::max());
      }
      waker.join();
    }
    f.reactor.poll(sluice::time_point::min());
    f.reactor.wake();
    f.reactor.poll(sluice::time_point::max());
  }

  TEST_CASE("a wake and a ready descriptor reported together are both served") {
    epoll_fixture f;
    const test_pipe first, second;
    read_op before(first.in), after(second.in);
    f.start(before);
    f.start(after);
    f.poll_now();
    first.put("x");
    f.reactor.wake();
    second.put("x");
    f.reactor.poll(sluice::time_point::max());
    CHECK(before.ended());
    CHECK(after.ended());
    f.reactor.wake();
    f.reactor.poll(sluice::time_point::max());
  }

  TEST_CASE("poll returns at its deadline, and at once when that has passed") {
    epoll_fixture f;
    const test_pipe pipe;
    poll_op never(pipe.in, POLLIN);
    f.start(never);
    f.reactor.poll(sluice::time_point::min());
    f.reactor.poll(monotonic() - std::chrono::hours(1));
    const auto deadline = monotonic() + std::chrono::microseconds(300);
    int polls = 0;
    for (; monotonic() < deadline; ++polls)
      f.reactor.poll(deadline);
    CHECK(polls <= 2);
    CHECK_FALSE(never.ended());
    f.reactor.cancel(never);
  }

  TEST_CASE("more ready descriptors than one poll takes are all served") {
    epoll_fixture f;
    std::deque<test_pipe> pipes(300);
    std::deque<read_op> ops;
    for (test_pipe& pipe : pipes)
      f.start(ops.emplace_back(pipe.in));
    for (test_pipe& pipe : pipes)
      pipe.put("x");
    f.drain();
    for (read_op& op : ops)
      CHECK(op.ends == 1);
  }

  TEST_CASE("operations that end at once do not keep others from being looked at") {
    epoll_fixture f;
    const test_pipe pipe;
    read_op waiting(pipe.in);
    f.start(waiting);
    pipe.put("x");
    int polls = 0;
    for (; !waiting.ended() && polls < 100; ++polls) {
      test_op nop(opcode::nop);
      f.start(nop);
      f.poll(sluice::time_point::min());
      CHECK(nop.ended());
    }
    CHECK(waiting.ended());
    CHECK(polls <= 16);
  }
}
