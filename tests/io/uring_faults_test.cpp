// SPDX-License-Identifier: MIT
// The reactor on a ring that fails: what is repeated, what is a result, and programs of random reads,
// writes and cancellations in which each operation ends once and no byte is lost.
#include "base/random.hpp"
#include "io/uring_fixture.hpp"
#include "sched/monotonic.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <deque>
#include <string>

#include <doctest/doctest.h>

#include <fcntl.h>

using namespace sluice::detail;
using namespace sluice_test;
using sluice::time_point;

namespace {

ring_faults failing(unsigned per_mille, int error) {
  ring_faults faults;
  faults.errors = per_mille;
  faults.error_codes = {error};
  return faults;
}

// Reads and writes of pipes with random cancellations, by seed.
class program {
 public:
  program(std::uint64_t seed, unsigned sq, unsigned cq, const ring_faults& faults)
      : r_(sq, cq, &faults), rng_(seed) {
    for (int i = 0; i != 12; ++i) {
      const test_pipe& p = pipes_.emplace_back();
      slots_.emplace_back(opcode::read, p.in);
      slots_.emplace_back(opcode::write, p.out);
    }
  }

  void run() {
    for (int turn = 0; turn != 400; ++turn) {
      for (slot& s : slots_) {
        settle(s);
        if (!s.running && rng_.below(4) != 0) start(s);
        if (s.running && rng_.below(6) == 0) r_.cancel(s);
      }
      r_.poll(at_once);
    }
    for (slot& s : slots_) {
      if (s.running && !s.ended()) r_.cancel(s);
    }
    r_.drain();
    for (slot& s : slots_)
      settle(s);
  }

  void check() {
    CHECK(started_ == ended_);
    CHECK(r_.waiting() == 0);
    CHECK(cancelled_ > 0);
    CHECK(read_ > 0);
    CHECK(written_ == read_ + left());
  }

  const uring_fixture& reactor() const { return r_; }

 private:
  struct slot : test_op {
    using test_op::test_op;
    std::array<char, 64> bytes{};
    bool running = false;
  };

  void start(slot& s) {
    s.addr = s.bytes.data();
    s.len = 1 + rng_.below(64);
    s.offset = current_position;
    s.ends = 0;
    s.running = true;
    ++started_;
    r_.start(s);
  }

  void settle(slot& s) {
    if (!s.running || !s.ended()) return;
    REQUIRE(s.ends == 1);
    s.running = false;
    ++ended_;
    if (s.got >= 0) {
      (s.code == opcode::write ? written_ : read_) += static_cast<unsigned long>(s.got);
    } else if (s.got == -ECANCELED) {
      ++cancelled_;
    } else {
      REQUIRE(s.got == -ENOMEM);
    }
  }

  // Bytes in the pipes.
  unsigned long left() {
    unsigned long n = 0;
    std::string rest(1 << 16, '\0');
    for (const test_pipe& p : pipes_) {
      ::fcntl(p.in, F_SETFL, O_NONBLOCK);
      const ssize_t got = ::read(p.in, rest.data(), rest.size());
      if (got > 0) n += static_cast<unsigned long>(got);
    }
    return n;
  }

  std::deque<test_pipe> pipes_;
  std::deque<slot> slots_;
  uring_fixture r_;
  sluice::detail::random rng_;
  unsigned long started_ = 0, ended_ = 0, cancelled_ = 0, written_ = 0, read_ = 0;
};

}  // namespace

TEST_SUITE("io/uring_faults") {
  TEST_CASE("uring faults: interruptions are repeated") {
    for (const int error : {EINTR, 512, 513, 514, 516}) {
      CAPTURE(error);
      const ring_faults faults = failing(500, error);
      uring_fixture r(256, 1024, &faults);
      const test_dir dir;
      const owned_fd file = dir.file();
      for (int i = 0; i != 20; ++i) {
        write_op write(file, "i", 0);
        CHECK(r.result_of(write) == 1);
        test_op sync(opcode::fsync, file);
        CHECK(r.result_of(sync) == 0);
      }
      CHECK(r.injected().errors > 0);
    }
  }

  TEST_CASE("uring faults: an interruption ends a cancelled operation with ECANCELED") {
    for (const int error : {EINTR, 512, 516, EAGAIN}) {
      CAPTURE(error);
      const ring_faults faults = failing(1000, error);
      uring_fixture r(256, 1024, &faults);
      const test_pipe p;
      read_op read(p.in);
      r.start(read);
      for (int i = 0; i != 3; ++i)
        r.poll(at_once);
      CHECK_FALSE(read.ended());
      r.cancel(read);
      r.drain();
      CHECK(read.ends == 1);
      CHECK(read.got == -ECANCELED);
    }
  }

  TEST_CASE("uring faults: EAGAIN waits until the descriptor is ready, then tries again") {
    const ring_faults faults = failing(700, EAGAIN);
    uring_fixture r(256, 1024, &faults);
    const test_pipe p(O_NONBLOCK);
    for (int i = 0; i != 30; ++i) {
      read_op read(p.in);
      r.start(read);
      for (int k = 0; k != 3; ++k)
        r.poll(at_once);
      CHECK_FALSE(read.ended());
      p.put("a");
      r.drain();
      CHECK(read.text() == "a");
      write_op write(p.out, "b");
      CHECK(r.result_of(write) == 1);
      CHECK(r.result_of(read) == 1);
      CHECK(read.text() == "b");
    }
    CHECK(r.injected().errors > 0);
  }

  TEST_CASE("uring faults: a wait for readiness costs no turn of the processor") {
    const ring_faults faults = failing(1000, EAGAIN);
    uring_fixture r(256, 1024, &faults);
    const test_pipe p;
    read_op read(p.in);
    r.start(read);
    r.poll(at_once);
    r.poll(at_once);
    CHECK_FALSE(r.ready());  // the kernel waits
    const unsigned long before = r.syscalls();
    r.poll(at_once);
    CHECK(r.syscalls() == before);
    r.cancel(read);
    r.drain();
  }

  TEST_CASE("uring faults: other errors are results, and so is EAGAIN of what is no transfer") {
    for (const int error : {ENOMEM, EIO, ENOSPC, EAGAIN}) {
      const ring_faults faults = failing(1000, error);
      uring_fixture r(256, 1024, &faults);
      test_op sync(opcode::fsync, 0);
      CHECK(r.result_of(sync) == -error);
    }
  }

  TEST_CASE("uring faults: what comes later does not overtake what the ring has refused") {
    ring_faults faults;
    faults.refusals = 1000;
    faults.last_enter = 1;
    uring_fixture r(4, 8, &faults);
    const test_pipe p;
    std::deque<read_op> reads;
    for (int i = 0; i != 8; ++i)
      r.start(reads.emplace_back(p.in, 1));
    CHECK(r.injected().refusals == 1);
    CHECK(r.waiting() == 4);
    p.put("01234567");
    r.drain();
    std::string order;
    for (const read_op& read : reads)
      order += read.text();
    CHECK(order == "01234567");
  }

  TEST_CASE("uring faults: a ring that refuses is left alone for a millisecond") {
    ring_faults faults;
    faults.refusals = 1000;
    faults.last_enter = 4;
    uring_fixture r(4, 8, &faults);
    test_op op(opcode::nop);
    r.start(op);
    const time_point began = monotonic_now();
    r.poll(time_point::max());
    CHECK(monotonic_now() - began >= std::chrono::milliseconds(1));
    CHECK_FALSE(op.ended());
    r.poll(at_once);  // refused as well, and not to wait
    CHECK_FALSE(op.ended());
    r.drain();
    CHECK(op.got == 0);
  }

  TEST_CASE("uring faults: transfers cut short lose no bytes") {
    ring_faults faults;
    faults.short_transfers = 800;
    uring_fixture r(256, 1024, &faults);
    const test_dir dir;
    const owned_fd file = dir.file();
    std::string text(5'000, ' ');
    for (std::size_t i = 0; i != text.size(); ++i)
      text[i] = static_cast<char>('a' + i % 26);
    for (std::size_t done = 0; done != text.size();) {
      write_op write(file, text.substr(done), done);
      const int n = r.result_of(write);
      REQUIRE(n > 0);
      done += static_cast<std::size_t>(n);
    }
    CHECK(r.injected().short_transfers > 0);
    std::string back(text.size(), ' ');
    REQUIRE(::pread(file, back.data(), back.size(), 0) == static_cast<ssize_t>(back.size()));
    CHECK(back == text);
  }

  TEST_CASE("uring faults: a vector is not cut to its empty parts, which would read as the end") {
    ring_faults faults;
    faults.short_transfers = 1000;
    uring_fixture r(256, 1024, &faults);
    const test_dir dir;
    const owned_fd file = dir.file("x");
    for (int i = 0; i != 20; ++i) {
      vector_op read(opcode::readv, file, "-", 0);  // of its halves the first is empty
      CHECK(r.result_of(read) == 1);
      CHECK(read.buffer == "x");
    }
  }

  TEST_CASE("uring faults: under any of them each operation ends once and no byte is lost") {
    ring_faults faults;
    faults.short_transfers = 200;
    faults.errors = 100;
    faults.error_codes = {EINTR, EAGAIN, ENOMEM, 512};
    faults.interrupts = 100;
    faults.refusals = 300;
    faults.prefixes = 300;
    faults.delays = 200;
    faults.reorder = true;
    for (std::uint64_t seed = 1; seed != 13; ++seed) {
      CAPTURE(seed);
      faults.seed = seed;
      faults.native_errors = seed % 2 == 0;
      const bool tiny = seed % 3 != 0;
      program p(seed, tiny ? 4 : 64, tiny ? 8 : 256, faults);
      p.run();
      p.check();
      const fault_counts& did = p.reactor().injected();
      CHECK(did.short_transfers > 0);
      CHECK(did.errors > 0);
      CHECK(did.interrupts > 0);
      CHECK(did.refusals > 0);
      CHECK(did.prefixes > 0);
      CHECK(did.delays > 0);
      CHECK(did.reordered > 0);
    }
  }

  TEST_CASE("uring faults: without any each operation ends once and no byte is lost") {
    const ring_faults none;
    for (const unsigned sq : {4u, 256u}) {
      program p(sq, sq, 2 * sq, none);
      p.run();
      p.check();
    }
  }
}
