// SPDX-License-Identifier: MIT
// The ring by itself: its set-up and the reasons for its failing, its queues, its entries.
#include "io/ring.hpp"

#include "io/child.hpp"
#include "support/deny_syscalls.hpp"
#include "support/skip.hpp"

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <ctime>
#include <system_error>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace sluice::detail;
using namespace std::chrono_literals;
using sluice::time_point;
using sluice_test::child_end;
using sluice_test::deny_calls;
using sluice_test::in_child;

namespace {

void push_nop(ring& r, std::uint64_t user_data) {
  io_uring_sqe* sqe = r.get_sqe();
  REQUIRE(sqe != nullptr);
  ::io_uring_prep_nop(sqe);
  sqe->user_data = user_data;
}

// Takes every completion that is there; user_data counts up `seen`.
unsigned reap_all(ring& r, std::vector<int>& seen) {
  return r.reap(~0u, [&](std::uint64_t user_data, int res, unsigned) {
    CHECK(res == 0);
    ++seen.at(user_data);
  });
}

// Becomes a user of its own, which no other process shares limits with. False: it may not.
bool become_nobody(rlim_t memlock) {
  const rlimit limit{memlock, memlock};
  const auto user = 200'000u + static_cast<unsigned>(::getpid()) % 100'000u;
  return ::setrlimit(RLIMIT_MEMLOCK, &limit) == 0 && ::setresuid(user, user, user) == 0;
}

constexpr int cannot_set_up = 40;  // exit codes of children
constexpr int was_made = 41;

int explain(const std::system_error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return e.code().value();
}

// Tries to make a ring; prints why it failed. Returns the errno value or was_made.
int try_ring(const ring_options& options) {
  try {
    const ring r(options);
    std::printf("%u/%u", r.sq_entries(), r.cq_entries());
    return was_made;
  } catch (const std::system_error& e) {
    return explain(e);
  }
}

}  // namespace

TEST_SUITE("io/ring") {
  TEST_CASE("ring: has the size asked for, down to a handful of entries") {
    const ring whole({});
    CHECK(whole.sq_entries() == 256);
    CHECK(whole.cq_entries() == 1024);
    const ring tiny({4, 8});
    CHECK(tiny.sq_entries() == 4);
    CHECK(tiny.cq_entries() == 8);
    CHECK(whole.has_opcode(IORING_OP_READ));
    CHECK_FALSE(whole.has_opcode(255));
    CHECK_FALSE(whole.has_opcode(100'000));
  }

  TEST_CASE("ring: a full submission queue gives null until it is submitted") {
    ring r({4, 8});
    std::vector<int> seen(5);
    for (unsigned i = 0; i != 4; ++i)
      push_nop(r, i);
    CHECK(r.pending() == 4);
    CHECK(r.get_sqe() == nullptr);
    CHECK(r.submit() == entered::done);
    CHECK(r.pending() == 0);
    push_nop(r, 4);
    CHECK(r.poll() == entered::done);
    CHECK(r.has_completions());
    CHECK(reap_all(r, seen) == 5);
    CHECK(seen == std::vector<int>(5, 1));
    CHECK_FALSE(r.has_completions());
  }

  TEST_CASE("ring: reap takes no more than it is asked for, in order") {
    ring r({8, 16});
    for (unsigned i = 0; i != 8; ++i)
      push_nop(r, i);
    CHECK(r.poll() == entered::done);
    std::vector<std::uint64_t> order;
    const auto sink = [&](std::uint64_t user_data, int, unsigned) { order.push_back(user_data); };
    CHECK(r.reap(3, sink) == 3);
    CHECK(r.reap(100, sink) == 5);
    CHECK(order == std::vector<std::uint64_t>{0, 1, 2, 3, 4, 5, 6, 7});
  }

  TEST_CASE("ring: nothing to do costs no system call") {
    ring r({});
    CHECK(r.poll() == entered::done);
    CHECK(r.submit() == entered::done);
    CHECK(r.wait(time_point{}) == entered::done);
    CHECK(r.wait(time_point::min()) == entered::done);
    CHECK(r.wait(monotonic_now()) == entered::done);
    CHECK(r.syscalls() == 0);
  }

  TEST_CASE("ring: wait submits, waits and carries the deadline in one enter") {
    ring r({});
    push_nop(r, 0);
    CHECK(r.wait(time_point::max()) == entered::done);
    CHECK(r.syscalls() == 1);
    std::vector<int> seen(1);
    CHECK(reap_all(r, seen) == 1);

    const time_point deadline = monotonic_now() + 1ms;
    CHECK(r.wait(deadline) == entered::done);
    CHECK(monotonic_now() >= deadline);
    CHECK(r.syscalls() == 2);
    CHECK_FALSE(r.has_completions());
  }

  TEST_CASE("ring: signals do not prolong a wait nor end it") {
    ring r({});
    struct sigaction ignore{};
    struct sigaction before{};
    ignore.sa_handler = [](int) {};  // no SA_RESTART
    REQUIRE(::sigaction(SIGALRM, &ignore, &before) == 0);
    timer_t timer{};
    sigevent event{};
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = SIGALRM;
    REQUIRE(::timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    const itimerspec every{{0, 1'000'000}, {0, 1'000'000}};
    REQUIRE(::timer_settime(timer, 0, &every, nullptr) == 0);

    // A wait that began anew with its whole time on each signal would never end.
    // On a busy machine a wait may be over before the first signal: one of many meets it.
    unsigned waits = 0;
    do {
      const time_point deadline = monotonic_now() + 20ms;
      CHECK(r.wait(deadline) == entered::done);
      CHECK(monotonic_now() >= deadline);
      ++waits;
    } while (r.syscalls() <= waits && waits < 500);
    CHECK(r.syscalls() > waits);
    ::timer_delete(timer);
    ::sigaction(SIGALRM, &before, nullptr);
  }

  TEST_CASE("ring: an overflown completion queue loses nothing") {
    constexpr unsigned count = 40;
    ring r({4, 8});
    std::vector<int> seen(count);
    unsigned reaped = 0;
    for (unsigned i = 0; i != count; ++i) {
      // Kernels may refuse submissions while completions wait for room.
      while (r.pending() == 4) {
        if (r.submit() == entered::refused) reaped += reap_all(r, seen);
      }
      push_nop(r, i);
    }
    while (r.pending() != 0) {
      if (r.submit() == entered::refused) reaped += reap_all(r, seen);
    }
    if (reaped == 0) CHECK(r.flagged());
    while (reaped != count) {
      const unsigned n = reap_all(r, seen);
      reaped += n;
      REQUIRE((n != 0 || r.flagged()));
      CHECK(r.poll() == entered::done);
    }
    CHECK(seen == std::vector<int>(count, 1));
    CHECK_FALSE(r.flagged());
  }

  TEST_CASE("ring: what is missing from a system is told from what it lacks for the moment") {
    CHECK(uring_unavailable(ENOSYS));
    CHECK(uring_unavailable(EPERM));
    CHECK(uring_unavailable(EINVAL));
    CHECK_FALSE(uring_unavailable(ENOMEM));
    CHECK_FALSE(uring_unavailable(EMFILE));
    CHECK_FALSE(uring_unavailable(ENFILE));
    CHECK_FALSE(uring_unavailable(0));
  }

  TEST_CASE("ring: a system without rings for us is told why") {
    const struct {
      int error;
      const char* words;
    } cases[] = {{EPERM, "blocked by seccomp or kernel.io_uring_disabled"},
                 {ENOSYS, "not in this kernel"},
                 {EINVAL, "kernel older than 6.1"}};
    for (const auto& c : cases) {
      const child_end end = in_child([&] {
        return deny_calls({{__NR_io_uring_setup, c.error}}) ? try_ring({}) : cannot_set_up;
      });
      if (end.exited_with(cannot_set_up)) return sluice_test::skip("no seccomp filters here");
      CHECK(end.exited_with(c.error));
      CHECK_MESSAGE(end.said(c.words), end.text);
    }
  }

  TEST_CASE("ring: lack of locked memory names the limit and what is needed") {
    const child_end none = in_child([] { return become_nobody(0) ? try_ring({}) : cannot_set_up; });
    if (none.exited_with(cannot_set_up))
      return sluice_test::skip("needs root, to become another user");
    if (none.exited_with(was_made)) return sluice_test::skip("this kernel charges rings to nobody");
    CHECK(none.exited_with(ENOMEM));
    CHECK_MESSAGE(none.said("RLIMIT_MEMLOCK (ulimit -l) = 0 KiB, the ring needs 12 KiB"),
                  none.text);
  }

  TEST_CASE("ring: shrinks to what the locked memory allows") {
    // 256/1024 takes 36 KiB, 128/512 20 KiB, 64/256 12 KiB.
    const child_end half =
        in_child([] { return become_nobody(rlim_t{24} << 10) ? try_ring({}) : cannot_set_up; });
    if (half.exited_with(cannot_set_up))
      return sluice_test::skip("needs root, to become another user");
    CHECK(half.exited_with(was_made));
    if (half.said("256/1024")) return sluice_test::skip("this kernel charges rings to nobody");
    CHECK_MESSAGE(half.said("128/512"), half.text);

    const child_end least =
        in_child([] { return become_nobody(rlim_t{16} << 10) ? try_ring({}) : cannot_set_up; });
    CHECK_MESSAGE(least.said("64/256"), least.text);
  }

  TEST_CASE("ring: lack of descriptors names the limit") {
    const child_end none = in_child([] {
      // UBSan needs a pipe to look at objects of a type that it has not seen yet.
      explain(std::system_error(EMFILE, std::system_category(), "rehearsal"));
      const rlimit limit{3, 3};
      return ::setrlimit(RLIMIT_NOFILE, &limit) == 0 ? try_ring({}) : cannot_set_up;
    });
    CHECK(none.exited_with(EMFILE));
    CHECK_MESSAGE(none.said("RLIMIT_NOFILE (ulimit -n) = 3 descriptors"), none.text);
  }

  TEST_CASE("ring: a forked child that uses it dies with clear words, and the parent goes on") {
    ring r({});
    for (int use = 0; use != 4; ++use) {
      const child_end end = in_child([&] {
        if (use == 0) (void)r.get_sqe();
        if (use == 1) (void)r.poll();
        if (use == 2) (void)r.has_completions();
        if (use == 3) (void)r.reap(1, [](std::uint64_t, int, unsigned) {});
        return 0;
      });
      CHECK(end.aborted());
      CHECK_MESSAGE(end.said("io_uring: a ring made before fork() is used in the child"), end.text);
    }
    push_nop(r, 0);
    CHECK(r.poll() == entered::done);
    std::vector<int> seen(1);
    CHECK(reap_all(r, seen) == 1);
  }

  TEST_CASE("ring: a forked child may destroy its copy and make a ring of its own") {
    auto* r = new ring({});
    const child_end end = in_child([&] {
      delete r;
      ring own({});
      push_nop(own, 0);
      std::vector<int> seen(1);
      return own.poll() == entered::done && reap_all(own, seen) == 1 ? 0 : 1;
    });
    CHECK_MESSAGE(end.exited_with(0), end.text);
    push_nop(*r, 0);
    CHECK(r->poll() == entered::done);
    CHECK(r->has_completions());
    delete r;
  }

  TEST_CASE("ring: another thread that enters it dies with clear words") {
    const child_end end = in_child([] {
      ring r({});
      std::thread([&] {
        push_nop(r, 0);
        (void)r.poll();
      }).join();
      return 0;
    });
    CHECK(end.aborted());
    CHECK_MESSAGE(end.said("io_uring: ring entered by a thread that did not make it"), end.text);
  }

  TEST_CASE("ring: may be destroyed by another thread when its own has ended") {
    std::unique_ptr<ring> r;
    std::thread([&] { r = std::make_unique<ring>(ring_options{}); }).join();
    r.reset();
  }

  TEST_CASE("ring: refused and partial submissions keep what is pending, in order") {
    ring_faults faults;
    faults.refusals = 400;
    faults.prefixes = 400;
    faults.interrupts = 200;
    for (faults.seed = 1; faults.seed != 40; ++faults.seed) {
      ring r({8, 16, &faults});
      constexpr unsigned count = 64;
      std::vector<std::uint64_t> order;
      unsigned pushed = 0;
      unsigned long refused = 0;
      while (order.size() != count) {
        while (pushed != count && r.pending() != r.sq_entries())
          push_nop(r, pushed++);
        const unsigned before = r.pending();
        if (r.poll() == entered::refused) {
          CHECK(r.pending() == before);
          ++refused;
        }
        (void)r.reap(~0u,
                     [&](std::uint64_t user_data, int, unsigned) { order.push_back(user_data); });
      }
      for (unsigned i = 0; i != count; ++i)
        REQUIRE(order[i] == i);
      const fault_counts& did = r.faults()->counts();
      CHECK(did.refusals + did.prefixes + did.interrupts > 0);
      CHECK(did.refusals == refused);
    }
  }

  TEST_CASE("ring: wait_only leaves what is pending where it is") {
    ring r({});
    push_nop(r, 0);
    r.wait_only(monotonic_now() + 100us);
    CHECK(r.pending() == 1);
    CHECK_FALSE(r.has_completions());
    CHECK(r.poll() == entered::done);
    CHECK(r.has_completions());
  }

  TEST_CASE("ring: completions that are held back and shuffled all come, once") {
    ring_faults faults;
    faults.delays = 500;
    faults.reorder = true;
    ring r({64, 128, &faults});
    constexpr unsigned count = 64;
    std::vector<int> seen(count);
    for (unsigned i = 0; i != count; ++i)
      push_nop(r, i);
    CHECK(r.poll() == entered::done);
    unsigned rounds = 0;
    for (unsigned n = 0; n != count; ++rounds) {
      REQUIRE(r.has_completions());
      n += reap_all(r, seen);
    }
    CHECK_FALSE(r.has_completions());
    CHECK(rounds > 1);
    CHECK(rounds <= 1 + faults.max_delay);
    CHECK(seen == std::vector<int>(count, 1));
    CHECK(r.faults()->counts().delays > 0);
    CHECK(r.faults()->counts().reordered > 0);
  }

  TEST_CASE("ring: injected errors come with and without the kernel's help") {
    ring_faults faults;
    faults.errors = 1000;
    faults.error_codes = {ENOMEM};
    for (const bool native : {true, false}) {
      faults.native_errors = native;
      ring r({8, 16, &faults});
      io_uring_sqe* sqe = r.get_sqe();
      ::io_uring_prep_read(sqe, 0, nullptr, 1, 0);
      sqe->user_data = 5;
      r.inject(*sqe);
      CHECK(r.poll() == entered::done);
      int result = 0;
      CHECK(r.reap(1, [&](std::uint64_t, int res, unsigned) { result = res; }) == 1);
      CHECK(result == -ENOMEM);
    }
  }
}
