// SPDX-License-Identifier: MIT
// The one owner of a struct io_uring: set-up, the submission queue, entering the kernel, reaping.
// Knows submissions and completions; of operations and what they mean it knows nothing.
//
// A ring belongs to the thread that made it (IORING_SETUP_SINGLE_ISSUER): every call comes from
// there. The kernel runs what completes an operation only while that thread is in an enter with
// GETEVENTS (DEFER_TASKRUN), so nothing becomes ready behind its back; flagged() tells that
// something wants to. liburing maps the memory; its submit and wait helpers are not used: they hide
// errors and system calls.
#pragma once

#include <sluice/clock.hpp>
#include <sluice/config.hpp>
#include <sluice/detail/base/assert.hpp>
#include <sluice/detail/base/atomic.hpp>
#include <sluice/detail/base/immovable.hpp>

#include "base/counters.hpp"
#include "base/fibre.hpp"
#include "io/compat.hpp"
#include "io/ring_faults.hpp"
#include "sched/monotonic.hpp"

#include <cstdint>
#include <memory>

namespace sluice::detail {

struct ring_options {
  // A ring this small costs 36 KiB of RLIMIT_MEMLOCK, which is per user and not per process.
  unsigned sq_entries = 256;            // rounded up to a power of two
  unsigned cq_entries = 1024;           // likewise; at least sq_entries
  const ring_faults* faults = nullptr;  // copied
};

/// How an entry into the kernel ended.
enum class [[nodiscard]] entered : unsigned char {
  done,     // what could be submitted was; completions may be there
  refused,  // no memory, or no room for completions: nothing lost. Reap, then enter again
};

/// Whether a set-up that failed with `error` (an errno value) says that this system has no io_uring
/// for us, so that another reactor may take its place: ENOSYS, EPERM, EINVAL. Lack of memory or
/// descriptors is an error like any other.
bool uring_unavailable(int error) noexcept;

class ring : immovable {
 public:
  /// Sets the ring up; the calling thread owns it. With too little locked memory the ring becomes
  /// smaller than asked for, down to 64 / 256 entries.
  /// Throws std::system_error: the errno value, and its cause in words.
  explicit ring(const ring_options& options);

  /// Requires: nothing is in flight. On the owner's thread, or after that has ended; in a forked
  /// child it closes the child's descriptor and leaves the parent's ring alone.
  ~ring();

  /// The next free submission, its contents indeterminate, or null: the queue is full. What was
  /// taken is submitted by the next enter: it must be filled before, and cannot be given back.
  io_uring_sqe* get_sqe() noexcept {
    check_process();
    return ::io_uring_get_sqe(&raw_);
  }

  /// Lets the faults, if there are any, have their way with a filled submission.
  void inject(io_uring_sqe& sqe) {
    if (faults_ != nullptr) [[unlikely]] {
      faults_->prepare(sqe);
    }
  }

  /// Submissions taken and not yet consumed by the kernel.
  unsigned pending() const noexcept {
    return raw_.sq.sqe_tail - IO_URING_READ_ONCE(*raw_.sq.khead);
  }

  /// Submits what is pending; looks at no completions.
  entered submit() noexcept { return enter(how::submit, {}); }

  /// Submits, and runs what the kernel has put off (flagged()); does not block. Without anything to
  /// do it makes no system call.
  entered poll() noexcept { return enter(how::poll, {}); }

  /// Submits, then blocks until there is a completion, the deadline has passed (in the past: as
  /// poll()), or for no reason. time_point::max(): no deadline.
  entered wait(time_point deadline) noexcept { return enter(how::wait, deadline); }

  /// As wait(), leaving what is pending where it is: for a ring that refuses submissions.
  void wait_only(time_point deadline) noexcept { (void)enter(how::wait_only, deadline); }

  /// Whether reap() would find something.
  bool has_completions() const noexcept {
    check_process();
    if (faults_ != nullptr && faults_->held() != 0) [[unlikely]] {
      return true;
    }
    return *raw_.cq.khead != ::io_uring_smp_load_acquire(raw_.cq.ktail);
  }

  /// Whether the kernel waits for an enter to post completions: deferred work, or an overflown
  /// completion queue.
  bool flagged() const noexcept {
    return (IO_URING_READ_ONCE(*raw_.sq.kflags) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
  }

  /// Takes up to `max` completions out of the ring and calls sink(user_data, res, flags) for each.
  /// The sink may take and submit submissions; it must not reap. Returns: how many there were.
  template <class Sink>
  unsigned reap(unsigned max, Sink&& sink) {
    if (faults_ != nullptr) [[unlikely]] {
      return reap_faulty(max, sink);
    }
    return reap_raw(max, sink);
  }

  /// Entries as set up.
  unsigned sq_entries() const noexcept { return raw_.sq.ring_entries; }
  unsigned cq_entries() const noexcept { return raw_.cq.ring_entries; }

  /// The ring's descriptor: for poll(2) of others. Not to be entered or closed.
  int descriptor() const noexcept { return raw_.ring_fd; }

  /// Whether the running kernel has an opcode (IORING_OP_*); asked once per process.
  bool has_opcode(unsigned opcode) const noexcept;

  /// System calls made by enters. Any thread.
  std::uint64_t syscalls() const noexcept { return syscalls_.load(); }

  /// Whether this process made the ring; false in a child that it has forked since.
  bool in_owner_process() const noexcept;
  bool on_owner_thread() const noexcept;

  /// Fatal in a forked child. The ring's memory is not there (MADV_DONTFORK).
  void check_process() const noexcept {
    SLUICE_ASSERT(in_owner_process(),
                  "io_uring: a ring made before fork() is used in the child; executors do not "
                  "survive a fork, make one there");
  }

  /// Null without faults.
  const fault_injector* faults() const noexcept { return faults_.get(); }

 private:
  enum class how : unsigned char { submit, poll, wait, wait_only };

  void set_up(const ring_options& options);
  int try_set_up(unsigned sq, unsigned cq) noexcept;
  void require_kernel();
  void tune() noexcept;
  bool injects_errors_natively();

  entered enter(how h, time_point deadline) noexcept;
  unsigned publish() noexcept;
  int call(unsigned to_submit, unsigned min_complete, unsigned flags,
           const duration* timeout) noexcept;

  template <class Sink>
  unsigned reap_raw(unsigned max, Sink&& sink) {
    check_process();
    const unsigned head = *raw_.cq.khead;
    // acquire: pairs with the kernel's release of the tail, behind the completions it posted
    const unsigned available = ::io_uring_smp_load_acquire(raw_.cq.ktail) - head;
    const unsigned n = available < max ? available : max;
    for (unsigned i = 0; i != n; ++i) {
      const io_uring_cqe& c = raw_.cq.cqes[(head + i) & raw_.cq.ring_mask];
      sink(c.user_data, c.res, c.flags);
    }
    // release: pairs with the kernel's acquire; it may overwrite them from here on
    if (n != 0) ::io_uring_smp_store_release(raw_.cq.khead, head + n);
    return n;
  }

  template <class Sink>
  unsigned reap_faulty(unsigned max, Sink&& sink) {
    faults_->begin_reap();
    (void)reap_raw(max, [this](std::uint64_t user_data, int res, unsigned flags) {
      faults_->arrive({user_data, res, flags});
    });
    unsigned n = 0;
    for (reaped c{}; n != max && faults_->take(c); ++n)
      sink(c.user_data, c.res, c.flags);
    return n;
  }

  ::io_uring raw_{};                        // owner
  unsigned enter_flags_ = 0;                // immutable: flags of every enter
  unsigned wait_flags_ = 0;                 // immutable: flags of an enter that blocks
  unsigned forks_ = 0;                      // immutable: process_forks when set up
  unsigned long thread_ = 0;                // immutable: the owner, a pthread_t
  std::unique_ptr<fault_injector> faults_;  // owner
  counter syscalls_;                        // written by the owner
};

/// Forks that led to this process since the first ring was set up.
extern atomic<unsigned> process_forks;

inline bool ring::in_owner_process() const noexcept {
  // relaxed: written while the process has one thread, before fork() returns in the child
  return process_forks.load(std::memory_order_relaxed) == forks_;
}

}  // namespace sluice::detail
