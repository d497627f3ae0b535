// SPDX-License-Identifier: MIT
// Operations carried out by the calling thread: every opcode, and trying without blocking.
#include "io/sync_op.hpp"

#include "io/test_op.hpp"
#include "support/deny_syscalls.hpp"
#include "support/skip.hpp"

#include <atomic>
#include <climits>
#include <string>
#include <thread>

#include <doctest/doctest.h>

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>

using namespace sluice_test;
using sluice::detail::attempt;
using sluice::detail::attempted;
using sluice::detail::execute;
using sluice::detail::execute_ready;
using sluice::detail::opcode;
using sluice::detail::try_execute;

namespace {

bool nonblocking(int fd) {
  return (::fcntl(fd, F_GETFL) & O_NONBLOCK) != 0;
}

std::atomic<int> signals_taken{0};

}  // namespace

TEST_SUITE("io/sync_op") {
  TEST_CASE("nop gives 0") {
    test_op op(opcode::nop);
    CHECK(execute(op) == 0);
    const attempted tried = try_execute(op);
    CHECK(tried.what == attempt::done);
    CHECK(tried.result == 0);
  }

  TEST_CASE("read and write move the descriptor's position, or leave it when given an offset") {
    const test_dir dir;
    const owned_fd fd = dir.file();
    write_op first(fd, "hello "), second(fd, "world");
    CHECK(execute(first) == 6);
    CHECK(execute(second) == 5);
    write_op at(fd, "W", 6);
    CHECK(execute(at) == 1);
    read_op whole(fd, 64, 0);
    whole.finish(execute(whole));
    CHECK(whole.text() == "hello World");
    read_op end(fd);
    CHECK(execute(end) == 0);
    read_op beyond(fd, 64, 1000);
    CHECK(execute(beyond) == 0);
  }

  TEST_CASE("readv and writev take their parts in order") {
    const test_dir dir;
    const owned_fd fd = dir.file();
    vector_op out(opcode::writev, fd, "abcdefgh");
    CHECK(execute(out) == 8);
    vector_op over(opcode::writev, fd, "XY", 3);
    CHECK(execute(over) == 2);
    vector_op in(opcode::readv, fd, std::string(6, '.'), 1);
    CHECK(execute(in) == 6);
    CHECK(in.buffer == "bcXYfg");
    ::lseek(fd, 0, SEEK_SET);
    vector_op own(opcode::readv, fd, std::string(8, '.'));
    CHECK(execute(own) == 8);
    CHECK(own.buffer == "abcXYfgh");
  }

  TEST_CASE("openat opens and creates by flags and mode, relative to a directory") {
    const test_dir dir;
    const owned_fd base(::open((dir / ".").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    char name[] = "other";
    test_op op(opcode::openat, base);
    op.addr = name;
    op.flags = O_RDWR | O_CLOEXEC;
    CHECK(execute(op) == -ENOENT);
    op.flags |= O_CREAT | O_EXCL;
    op.len = 0640;
    const owned_fd made(execute(op));
    REQUIRE(made >= 0);
    struct stat inode;
    REQUIRE(::fstat(made, &inode) == 0);
    CHECK((inode.st_mode & 0777 & ~0027u) == (0640 & ~0027u));
    CHECK(execute(op) == -EEXIST);
    CHECK(try_execute(op).what == attempt::file);
  }

  TEST_CASE("statx fills what the mask asks for") {
    const test_dir dir;
    const owned_fd fd = dir.file("12345");
    char empty[] = "";
    struct statx found{};
    test_op op(opcode::statx, fd);
    op.addr = empty;
    op.addr2 = &found;
    op.flags = AT_EMPTY_PATH;
    op.len = STATX_SIZE | STATX_TYPE;
    CHECK(execute(op) == 0);
    CHECK(found.stx_size == 5);
    CHECK(S_ISREG(found.stx_mode));
    op.flags = 0;
    CHECK(execute(op) == -ENOENT);
    CHECK(try_execute(op).what == attempt::file);
  }

  TEST_CASE("fsync and fdatasync succeed on files and not on pipes") {
    const test_dir dir;
    const owned_fd fd = dir.file("x");
    const test_pipe pipe;
    for (const unsigned data_only : {0u, 1u}) {
      test_op op(opcode::fsync, fd);
      op.flags = data_only;
      CHECK(execute(op) == 0);
      CHECK(try_execute(op).what == attempt::file);
      test_op refused(opcode::fsync, pipe.in);
      refused.flags = data_only;
      CHECK(execute(refused) == -EINVAL);
    }
  }

  TEST_CASE("poll gives the events that are there, and EBADF for no descriptor") {
    const test_pipe pipe;
    poll_op in(pipe.in, POLLIN), out(pipe.out, POLLOUT);
    CHECK(execute(out) == POLLOUT);
    CHECK(try_execute(in).what == attempt::not_ready);
    pipe.put("x");
    CHECK(execute(in) == POLLIN);
    const attempted ready = try_execute(in);
    CHECK(ready.what == attempt::done);
    CHECK(ready.result == POLLIN);
    poll_op negative(-1, POLLIN), closed(1 << 20, POLLIN);
    CHECK(execute(negative) == -EBADF);
    CHECK(execute(closed) == -EBADF);
    CHECK(try_execute(closed).result == -EBADF);
  }

  TEST_CASE("errors of reads and writes are the calls'") {
    const test_pipe pipe(O_NONBLOCK);
    read_op nothing(pipe.in), seek(pipe.in, 8, 0), bad(-1), wrong_way(pipe.out);
    CHECK(execute(nothing) == -EAGAIN);
    CHECK(execute(seek) == -ESPIPE);
    CHECK(execute(bad) == -EBADF);
    CHECK(execute(wrong_way) == -EBADF);
    CHECK(try_execute(seek).result == -ESPIPE);
    CHECK(try_execute(bad).result == -EBADF);
    CHECK(try_execute(wrong_way).result == -EBADF);
    const test_dir dir;
    const owned_fd directory(::open((dir / ".").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    read_op list(directory);
    CHECK(try_execute(list).what == attempt::file);
    CHECK(execute(list) == -EISDIR);
  }

  TEST_CASE("a call that a signal interrupts is made again") {
    struct sigaction action{}, before{};
    action.sa_handler = [](int) { ++signals_taken; };  // without SA_RESTART
    REQUIRE(::sigaction(SIGUSR2, &action, &before) == 0);
    const test_pipe pipe;
    std::atomic<pid_t> tid{0};
    int result = 0;
    std::thread reader([&] {
      tid = static_cast<pid_t>(::syscall(SYS_gettid));
      tid.notify_all();
      read_op op(pipe.in);
      result = execute(op);
    });
    tid.wait(0);
    until_asleep(tid);
    signals_taken = 0;
    ::pthread_kill(reader.native_handle(), SIGUSR2);
    while (signals_taken == 0)
      std::this_thread::yield();
    until_asleep(tid);
    pipe.put("abc");
    reader.join();
    ::sigaction(SIGUSR2, &before, nullptr);
    CHECK(result == 3);
  }

  TEST_CASE("a try at an empty pipe, socket, eventfd, fifo or terminal does not block") {
    const test_dir dir;
    const test_pipe pipe, soft(O_NONBLOCK);
    int pair[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    const owned_fd socket(pair[0]), peer(pair[1]), counter(::eventfd(0, EFD_CLOEXEC));
    const owned_fd fifo = dir.fifo();
    const test_terminal terminal;
    for (const int fd : {int{pipe.in}, int{soft.in}, int{socket}, int{counter}, int{fifo}}) {
      CAPTURE(fd);
      read_op op(fd);
      const attempted tried = try_execute(op);
      CHECK(tried.what == attempt::not_ready);
      CHECK(tried.calls >= 1);
    }
    if (terminal) {
      read_op op(terminal.program);
      CHECK(try_execute(op).what == attempt::not_ready);
      CHECK_FALSE(nonblocking(terminal.program));
    }
    CHECK_FALSE(nonblocking(pipe.in));
    pipe.put("pipe");
    CHECK(::send(peer, "sock", 4, 0) == 4);
    read_op from_pipe(pipe.in), from_socket(socket);
    from_pipe.finish(try_execute(from_pipe).result);
    from_socket.finish(try_execute(from_socket).result);
    CHECK(from_pipe.text() == "pipe");
    CHECK(from_socket.text() == "sock");
  }

  TEST_CASE("a try at a full pipe or socket does not block, and takes what there is room for") {
    const test_pipe pipe;
    write_op big(pipe.out, std::string(1 << 20, 'x'));
    const attempted first = try_execute(big);
    if (first.what == attempt::stream) return skip("pipes without RWF_NOWAIT: Linux 6.4");
    CHECK(first.what == attempt::done);
    CHECK(first.result >= PIPE_BUF);
    CHECK(first.result < 1 << 20);
    CHECK(try_execute(big).what == attempt::not_ready);
    int pair[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    const owned_fd socket(pair[0]), peer(pair[1]);
    write_op much(socket, std::string(1 << 20, 'x'));
    attempted tried = try_execute(much);
    for (int i = 0; tried.what == attempt::done && i < 100; ++i)
      tried = try_execute(much);
    CHECK(tried.what == attempt::not_ready);
  }

  TEST_CASE("a descriptor in blocking mode without RWF_NOWAIT takes a thread once it is ready") {
    const test_dir dir;
    const owned_fd fifo = dir.fifo();
    write_op out(fifo, std::string(3 * PIPE_BUF, 'x'));
    CHECK(try_execute(out).what == attempt::stream);
    CHECK(execute_ready(out) == PIPE_BUF);
    read_op in(fifo, 2 * PIPE_BUF);
    CHECK(try_execute(in).what == attempt::stream);
    CHECK(execute_ready(in) == PIPE_BUF);
    CHECK(try_execute(in).what == attempt::not_ready);
    CHECK(execute_ready(in) == -EAGAIN);
    while (execute_ready(out) > 0) {
    }
    CHECK(execute_ready(out) == -EAGAIN);
    CHECK(try_execute(out).what == attempt::not_ready);
  }

  TEST_CASE("a vector with empty parts is cut to its first bytes") {
    const test_dir dir;
    const owned_fd fifo = dir.fifo();
    vector_op out(opcode::writev, fifo, std::string(2 * PIPE_BUF, 'y'));
    out.parts[0].iov_len = 0;
    CHECK(execute_ready(out) == PIPE_BUF);
    vector_op nothing(opcode::writev, fifo, "");
    CHECK(execute_ready(nothing) == 0);
  }

  TEST_CASE("a try in non-blocking mode is the plain call") {
    const test_dir dir;
    owned_fd fifo = dir.fifo();
    ::fcntl(fifo, F_SETFL, O_NONBLOCK);
    write_op out(fifo, "abc");
    const attempted wrote = try_execute(out);
    CHECK(wrote.what == attempt::done);
    CHECK(wrote.result == 3);
    read_op in(fifo);
    in.finish(try_execute(in).result);
    CHECK(in.text() == "abc");
    CHECK(try_execute(in).what == attempt::not_ready);
  }

  TEST_CASE("regular files: what the page cache has comes at once, all else takes a thread") {
    const test_dir dir;
    const owned_fd fd = dir.file("cached");
    read_op in(fd, 64, 0);
    const attempted tried = try_execute(in);
    if (tried.what == attempt::done) {  // not every file system knows RWF_NOWAIT
      in.finish(tried.result);
      CHECK(in.text() == "cached");
    } else {
      CHECK(tried.what != attempt::stream);
    }
    const owned_fd proc(::open("/proc/self/stat", O_RDONLY | O_CLOEXEC));
    read_op status(proc);
    CHECK(try_execute(status).what == attempt::file);
    CHECK(execute(status) > 0);
  }

  TEST_CASE("where preadv2 and pwritev2 are unknown, sockets and pipes still do not block") {
    bool could = run_denied({{SYS_preadv2, ENOSYS}, {SYS_pwritev2, ENOSYS}}, [] {
      const test_pipe pipe, soft(O_NONBLOCK);
      int pair[2];
      REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
      const owned_fd socket(pair[0]), peer(pair[1]);
      read_op from_socket(socket), from_pipe(pipe.in), from_soft(soft.in);
      write_op to_socket(peer, "sock"), to_pipe(pipe.out, "pipe"), to_soft(soft.out, "soft");
      CHECK(try_execute(from_socket).what == attempt::not_ready);
      CHECK(try_execute(from_pipe).what == attempt::not_ready);
      CHECK(try_execute(from_soft).what == attempt::not_ready);
      CHECK(try_execute(to_socket).result == 4);
      CHECK(try_execute(to_soft).result == 4);
      CHECK(try_execute(to_pipe).what == attempt::stream);
      CHECK(execute_ready(to_pipe) == 4);
      from_socket.finish(try_execute(from_socket).result);
      from_soft.finish(try_execute(from_soft).result);
      from_pipe.finish(execute_ready(from_pipe));
      CHECK(from_socket.text() == "sock");
      CHECK(from_soft.text() == "soft");
      CHECK(from_pipe.text() == "pipe");
      const test_dir dir;
      const owned_fd file = dir.file("x");
      read_op from_file(file);
      CHECK(try_execute(from_file).what == attempt::file);
    });
    if (!could) skip("no seccomp filters");
  }
}
