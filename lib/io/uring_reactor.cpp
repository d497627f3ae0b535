// SPDX-License-Identifier: MIT
// Operations on a ring: what is submitted, what a completion means, and what is done again.
#include "io/uring_reactor.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace sluice::detail {

namespace {

// 32: a nop costs 400 ns submitted alone, 73 ns in a batch of 32, and no less in a larger one.
constexpr unsigned flush_at = 32;

// A poll completes no more than this, so that routines made runnable get their turn.
constexpr unsigned most_completions = 256;

// The kernel runs at most 20 items of deferred work per enter (6.13): enough rounds for the above.
constexpr int most_rounds = 16;

// How long a ring that refuses submissions is left alone: lack of kernel memory ends by others' doing.
constexpr duration refused_pause = std::chrono::milliseconds(1);

// The low bits of user_data: whose completion it is. Of an operation they are 0. All ones is left
// to liburing.
constexpr std::uint64_t tag_mask = 7;
constexpr std::uint64_t tag_cancel = 1;  // of a cancellation, which completes only if it failed
constexpr std::uint64_t tag_wake = 2;
static_assert(alignof(io_op) > tag_mask, "the low bits of an operation's address are free");

// What the submission of each opcode is made of. The flags of all of them share one field.
struct row {
  std::uint8_t opcode;  // IORING_OP_*
  bool has_arguments;   // addr, len
  bool has_offset;      // offset; else addr2, which shares its field
  std::uint32_t flags;  // which of io_op::flags mean something
  short ready;          // poll(2) events that end an EAGAIN; 0: EAGAIN is a result
};
constexpr std::uint32_t all_flags = ~std::uint32_t{0};
constexpr row rows[] = {
    {IORING_OP_NOP, false, false, 0, 0},                        // nop
    {IORING_OP_READ, true, true, 0, POLLIN},                    // read
    {IORING_OP_WRITE, true, true, 0, POLLOUT},                  // write
    {IORING_OP_READV, true, true, 0, POLLIN},                   // readv
    {IORING_OP_WRITEV, true, true, 0, POLLOUT},                 // writev
    {IORING_OP_FSYNC, false, false, IORING_FSYNC_DATASYNC, 0},  // fsync
    {IORING_OP_OPENAT, true, false, all_flags, 0},              // openat
    {IORING_OP_STATX, true, false, all_flags, 0},               // statx
    {IORING_OP_POLL_ADD, false, false, all_flags, 0},           // poll
};
static_assert(std::size(rows) == static_cast<std::size_t>(opcode::poll) + 1, "a row per opcode");

const row& row_of(const io_op& op) noexcept {
  return rows[static_cast<std::size_t>(op.code)];
}

std::uint64_t address(const void* p) noexcept {
  return reinterpret_cast<std::uintptr_t>(p);
}

void fill_poll(io_uring_sqe& sqe, int fd, std::uint32_t events) noexcept {
  ::io_uring_prep_poll_add(&sqe, fd, events);  // swaps the events' halves on big-endian machines
}

void fill(io_uring_sqe& sqe, const io_op& op) noexcept {
  if (op.code == opcode::poll) return fill_poll(sqe, op.fd, op.flags);
  const row& r = row_of(op);
  std::memset(&sqe, 0, sizeof sqe);
  sqe.opcode = r.opcode;
  sqe.fd = op.fd;
  if (r.has_arguments) {
    sqe.addr = address(op.addr);
    sqe.len = op.len;
    sqe.off = r.has_offset ? op.offset : address(op.addr2);
  }
  sqe.rw_flags = static_cast<__kernel_rwf_t>(op.flags & r.flags);
  if (op.code == opcode::openat && (op.flags & (O_NONBLOCK | O_DIRECTORY | O_PATH)) == 0) {
    // The kernel first tries an open as if O_NONBLOCK were given: of a fifo that returns without
    // waiting for the other side, or fails with ENXIO. An io-wq thread opens it as open(2) does.
    sqe.flags |= IOSQE_ASYNC;
  }
}

// An operation that a signal or a request to stop ended before it had an effect.
bool interrupted(int res) noexcept {
  return res == -EINTR || (res <= -uring::first_restart_error && res >= -uring::last_restart_error);
}

// The epoch stands for any time in the past, and costs no look at the clock.
bool is_future(time_point deadline) noexcept {
  return deadline == time_point::max() || (deadline > time_point{} && deadline > monotonic_now());
}

int open_eventfd() {
  // Not O_NONBLOCK: before 6.x a read of such a descriptor fails with EAGAIN instead of waiting.
  const int fd = ::eventfd(0, EFD_CLOEXEC);
  if (fd < 0) throw std::system_error(errno, std::system_category(), "io_uring: eventfd");
  return fd;
}

}  // namespace

// --- life

uring_reactor::uring_reactor(const uring_options& options)
    : ring_({options.sq_entries, options.cq_entries, options.faults}),
      complete_(options.complete),
      wake_fd_(open_eventfd()) {}

uring_reactor::~uring_reactor() {
  if (ring_.in_owner_process()) {
    SLUICE_ASSERT(inflight_ == 0, "io_uring: reactor destroyed with operations in flight");
    // The wake read writes into this object. When the worker's thread has ended the kernel has
    // cancelled it; else it is completed like any other wake.
    if (ring_.on_owner_thread() && wake_armed_) {
      wake();
      while (wake_armed_)
        uring_reactor::poll(time_point::max());
    }
  }
  ::close(wake_fd_);
}

std::unique_ptr<reactor> make_uring_reactor(const uring_options& options) {
  return std::make_unique<uring_reactor>(options);
}

std::size_t uring_reactor::waiting() const noexcept {
  if (queue_.empty()) return 0;
  std::size_t n = 0;
  for (const io_op* op = &queue_.front(); op != nullptr; op = queue_.after(*op))
    ++n;
  return n;
}

// --- submitting

/// Null: the kernel takes no more for the moment.
io_uring_sqe* uring_reactor::get_sqe() noexcept {
  if (io_uring_sqe* sqe = ring_.get_sqe()) return sqe;
  (void)ring_.submit();  // refused: the queue is as full as before
  return ring_.get_sqe();
}

bool uring_reactor::submit(io_op& op) noexcept {
  io_uring_sqe* sqe = get_sqe();
  if (sqe == nullptr) return false;
  if ((op.result & polling) != 0) {
    fill_poll(*sqe, op.fd, static_cast<std::uint32_t>(row_of(op).ready));
    sqe->user_data = address(&op);
  } else {
    fill(*sqe, op);
    sqe->user_data = address(&op);
    ring_.inject(*sqe);
  }
  tsan_release(&op);
  return true;
}

bool uring_reactor::submit_cancel(io_op& op) noexcept {
  io_uring_sqe* sqe = get_sqe();
  if (sqe == nullptr) return false;
  ::io_uring_prep_cancel64(sqe, address(&op), 0);
  sqe->user_data = address(&op) | tag_cancel;
  sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
  return true;
}

bool uring_reactor::arm_wake() noexcept {
  io_uring_sqe* sqe = get_sqe();
  if (sqe == nullptr) return false;
  ::io_uring_prep_read(sqe, wake_fd_, &wake_value_, sizeof wake_value_, 0);
  sqe->user_data = tag_wake;
  wake_armed_ = true;
  return true;
}

void uring_reactor::submit_or_queue(io_op& op) noexcept {
  if (queue_.empty() && submit(op)) return;
  op.result |= queued;
  queue_.push(op);
}

/// Moves what waits into the ring, entering it to make room. Returns: whether all of it went.
bool uring_reactor::drain_queue() noexcept {
  while (!queue_.empty()) {
    io_op& op = queue_.front();
    if ((op.result & halting) != 0) {
      if (!submit_cancel(op)) return false;
    } else {
      if (!submit(op)) return false;
    }
    (void)queue_.pop();
    op.result &= ~(halting | queued);
  }
  return true;
}

void uring_reactor::start(operation& op) noexcept {
  ++inflight_;
  op.result = 0;
  submit_or_queue(static_cast<io_op&>(op));
  if (ring_.pending() >= flush_at) (void)ring_.submit();  // refused: the next one tries again
}

void uring_reactor::cancel(operation& request) noexcept {
  io_op& op = static_cast<io_op&>(request);
  if ((op.result & stopping) != 0) return;
  op.result |= stopping;
  if ((op.result & queued) != 0) {
    (void)queue_.remove(op);
    finish(op, -ECANCELED);
    return;
  }
  if (queue_.empty() && submit_cancel(op)) return;
  op.result |= halting;
  queue_.push(op);
}

// --- parking

void uring_reactor::poll(time_point deadline) noexcept {
  const bool blocks = !ring_.has_completions() && is_future(deadline);
  bool taken = drain_queue();
  // The wake read is armed by those who block alone: a busy worker is woken without it.
  if (blocks && taken && !wake_armed_) taken = arm_wake();
  entered outcome = entered::done;
  if (blocks && taken) {
    SLUICE_ASSERT(wake_armed_, "io_uring: I3: about to block without the wake read");
    outcome = ring_.wait(deadline);
  } else {
    outcome = ring_.poll();
  }
  const bool refused = outcome == entered::refused || !taken;
  if (reap() == 0 && blocks && refused) {
    ring_.wait_only(std::min(deadline, monotonic_now() + refused_pause));
  }
}

bool uring_reactor::ready() const noexcept {
  return ring_.has_completions() || ring_.flagged() || ring_.pending() != 0 || !queue_.empty();
}

void uring_reactor::wake() noexcept {
  ring_.check_process();
  const std::uint64_t one = 1;
  // relaxed: a statistic
  wakes_.fetch_add(1, std::memory_order_relaxed);
  while (::write(wake_fd_, &one, sizeof one) < 0) {
    SLUICE_ASSERT(errno == EINTR, "io_uring: write to the wake eventfd failed");
  }
}

unsigned long uring_reactor::syscalls() const noexcept {
  // relaxed: a statistic
  return static_cast<unsigned long>(ring_.syscalls()) + wakes_.load(std::memory_order_relaxed);
}

// --- completing

/// Returns: how many completions there were.
unsigned uring_reactor::reap() noexcept {
  const auto sink = [this](std::uint64_t user_data, int res, unsigned) {
    on_completion(user_data, res);
  };
  unsigned n = 0;
  for (int round = 0; round != most_rounds; ++round) {
    n += ring_.reap(most_completions - n, sink);
    if (n == most_completions || !ring_.flagged()) break;
    if (ring_.poll() == entered::refused) break;
  }
  return n;
}

void uring_reactor::on_completion(std::uint64_t user_data, int res) noexcept {
  switch (user_data & tag_mask) {
    case 0: {
      io_op& op = *reinterpret_cast<io_op*>(static_cast<std::uintptr_t>(user_data));
      tsan_acquire(&op);
      on_result(op, res);
      return;
    }
    case tag_cancel:
      // It failed. ENOENT: the operation was over; EALREADY: it runs in an io-wq thread, which was
      // told, and ends by itself. The operation may be gone: its own completion says what it came to.
      return;
    case tag_wake:
      on_wake(res);
      return;
    default:
      fatal("io_uring: completion of something never submitted");
  }
}

void uring_reactor::on_wake(int res) noexcept {
  SLUICE_ASSERT(wake_armed_, "io_uring: I3: wake read completed twice");
  SLUICE_ASSERT(res == sizeof wake_value_ || res == -EAGAIN || interrupted(res),
                "io_uring: read of the wake eventfd failed");
  wake_armed_ = false;
}

void uring_reactor::on_result(io_op& op, int res) noexcept {
  const bool stop = (op.result & stopping) != 0;
  bool again = false;
  if ((op.result & polling) != 0 && res >= 0) {
    again = true;  // the descriptor is ready
  } else if (interrupted(res)) {
    again = true;
  } else if (res == -EAGAIN && row_of(op).ready != 0) {
    // Kernels differ: some fail transfers on an O_NONBLOCK descriptor instead of waiting for it.
    again = true;
  }
  if (!again) return finish(op, res);
  if (stop) return finish(op, -ECANCELED);
  op.result =
      res == -EAGAIN && (op.result & polling) == 0 ? op.result | polling : op.result & ~polling;
  submit_or_queue(op);
}

void uring_reactor::finish(io_op& op, int res) noexcept {
  if ((op.result & halting) != 0) (void)queue_.remove(op);  // I2
  --inflight_;
  complete_(op, res);
  // published: op may be gone
}

}  // namespace sluice::detail
