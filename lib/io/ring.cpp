// SPDX-License-Identifier: MIT
// The ring's set-up with its reasons for failing, and its entry into the kernel.
#include "io/ring.hpp"

#include <algorithm>
#include <bitset>
#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <string>
#include <system_error>

#include <fmt/format.h>

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

namespace sluice::detail {

atomic<unsigned> process_forks{0};

namespace {

// Linux 6.1 has them all; the fallback is another reactor, not a slower ring.
constexpr unsigned setup_flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                                 IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL |
                                 IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;

constexpr unsigned required_features = IORING_FEAT_NODROP | IORING_FEAT_SUBMIT_STABLE |
                                       IORING_FEAT_FAST_POLL | IORING_FEAT_EXT_ARG |
                                       IORING_FEAT_RW_CUR_POS | IORING_FEAT_CQE_SKIP;

constexpr unsigned required_opcodes[] = {
    IORING_OP_NOP,   IORING_OP_READ,   IORING_OP_WRITE, IORING_OP_READV,    IORING_OP_WRITEV,
    IORING_OP_FSYNC, IORING_OP_OPENAT, IORING_OP_STATX, IORING_OP_POLL_ADD, IORING_OP_ASYNC_CANCEL};

// Where a lack of locked memory stops making the ring smaller.
constexpr unsigned least_sq_entries = 64;
constexpr unsigned least_cq_entries = 256;

// The kernel gives the memory of a closed ring back in the background: a lack of it may be over soon.
constexpr int memory_retries = 3;
constexpr timespec memory_pause{0, 1'000'000};

// io-wq threads of a ring: those for files (bounded), those for what may block for ever.
constexpr unsigned most_bounded_workers = 4;
constexpr unsigned most_unbounded_workers = 16;

// Tells ThreadSanitizer that a ring was unmapped before the next one is mapped, maybe at the same
// address and on another thread: liburing maps past its interceptors.
char ring_memory;

void watch_forks() noexcept {
  static const int watching = pthread_atfork(nullptr, nullptr, [] {
    // relaxed: the child has one thread
    process_forks.store(process_forks.load(std::memory_order_relaxed) + 1,
                        std::memory_order_relaxed);
  });
  (void)watching;  // lack of memory: a child is stopped by MADV_DONTFORK alone, without words
}

std::string limit_text(int resource, rlim_t unit) {
  rlimit limit{};
  if (::getrlimit(resource, &limit) != 0) return "unknown";
  if (limit.rlim_cur == RLIM_INFINITY) return "unlimited";
  return fmt::format("{}", limit.rlim_cur / unit);
}

unsigned power_of_two(unsigned n) noexcept {
  unsigned p = 1;
  while (p < n && p < (1u << 15))
    p <<= 1;
  return p;
}

// What a ring is charged with, in KiB: its submissions, and its completions with the indices and
// heads beside them, each in whole pages.
unsigned long charge(unsigned sq, unsigned cq) noexcept {
  const auto page = static_cast<unsigned long>(::sysconf(_SC_PAGESIZE));
  const auto pages = [&](unsigned long bytes) { return (bytes + page - 1) / page * page; };
  constexpr unsigned long heads = 320;
  const unsigned long submissions = pages(power_of_two(sq) * sizeof(io_uring_sqe));
  const unsigned long completions =
      pages(heads + power_of_two(cq) * sizeof(io_uring_cqe) + power_of_two(sq) * sizeof(unsigned));
  return (submissions + completions) / 1024;
}

std::string cause(int error, unsigned sq, unsigned cq) {
  switch (error) {
    case EPERM:
      return "blocked by seccomp or kernel.io_uring_disabled";
    case ENOSYS:
      return "not in this kernel";
    case EINVAL:
      return "kernel older than 6.1";
    case ENOMEM:
      return fmt::format("RLIMIT_MEMLOCK (ulimit -l) = {} KiB, the ring needs {} KiB",
                         limit_text(RLIMIT_MEMLOCK, 1024), charge(sq, cq));
    case EMFILE:
      return fmt::format("RLIMIT_NOFILE (ulimit -n) = {} descriptors, all in use",
                         limit_text(RLIMIT_NOFILE, 1));
    case ENFILE:
      return "the system's descriptors (fs.file-max) are all in use";
    default:
      return "unexpected";
  }
}

[[noreturn]] void throw_set_up(int error, unsigned sq, unsigned cq) {
  throw std::system_error(error, std::system_category(),
                          "io_uring: set-up failed: " + cause(error, sq, cq));
}

using opcode_set = std::bitset<256>;

opcode_set ask_opcodes(::io_uring* raw) {
  opcode_set set;
  io_uring_probe* probe = ::io_uring_get_probe_ring(raw);
  if (probe == nullptr) throw std::system_error(ENOMEM, std::system_category(), "io_uring: probe");
  for (unsigned i = 0; i < probe->ops_len; ++i) {
    if ((probe->ops[i].flags & IO_URING_OP_SUPPORTED) != 0) set.set(probe->ops[i].op);
  }
  ::io_uring_free_probe(probe);
  return set;
}

// `raw` is read by the first call alone.
const opcode_set& opcodes(::io_uring* raw) {
  static const opcode_set set = ask_opcodes(raw);
  return set;
}

[[noreturn]] void die(int error, bool on_owner_thread) noexcept {
  // EEXIST, or EINVAL: the registered descriptor is the owner's.
  if (!on_owner_thread) fatal("io_uring: ring entered by a thread that did not make it");
  switch (error) {
    case EBADR:
      fatal("io_uring: the kernel dropped completions");
    case EBADF:
    case EOPNOTSUPP:
      fatal("io_uring: the ring's descriptor was closed by somebody else");
    default:
      fatal("io_uring: io_uring_enter() failed");
  }
}

}  // namespace

bool uring_unavailable(int error) noexcept {
  return error == ENOSYS || error == EPERM || error == EINVAL;
}

ring::ring(const ring_options& options) {
  watch_forks();
  // relaxed: as in in_owner_process()
  forks_ = process_forks.load(std::memory_order_relaxed);
  thread_ = ::pthread_self();
  tsan_acquire(&ring_memory);
  set_up(options);
  try {
    require_kernel();
    tune();
    if (options.faults != nullptr) {
      auto injector = std::make_unique<fault_injector>(*options.faults);
      injector->set_native(injector->wants_native() && injects_errors_natively());
      faults_ = std::move(injector);
    }
  } catch (...) {
    ::io_uring_queue_exit(&raw_);
    throw;
  }
}

ring::~ring() {
  if (!in_owner_process()) {
    ::close(raw_.ring_fd);  // liburing would read the ring's memory, which the child does not have
    return;
  }
  ::io_uring_queue_exit(&raw_);
  tsan_release(&ring_memory);
}

bool ring::on_owner_thread() const noexcept {
  return ::pthread_equal(thread_, ::pthread_self()) != 0;
}

// Each round goes from the size asked for down to the least: a small ring at once is better than the
// whole one after a pause.
void ring::set_up(const ring_options& options) {
  const unsigned sq_asked = std::max(options.sq_entries, 1u);
  const unsigned cq_asked = std::max(options.cq_entries, sq_asked);
  const unsigned sq_least = std::min(sq_asked, least_sq_entries);
  const unsigned cq_least = std::min(cq_asked, least_cq_entries);
  for (int retry = 0;; ++retry) {
    unsigned sq = sq_asked;
    unsigned cq = cq_asked;
    for (;;) {
      const int error = try_set_up(sq, cq);
      if (error == 0) return;
      if (error != ENOMEM) throw_set_up(error, sq, cq);
      if (sq == sq_least && cq == cq_least) break;
      sq = std::max(sq / 2, sq_least);
      cq = std::max(cq / 2, cq_least);
    }
    if (retry == memory_retries) throw_set_up(ENOMEM, sq, cq);
    ::nanosleep(&memory_pause, nullptr);
  }
}

int ring::try_set_up(unsigned sq, unsigned cq) noexcept {
  io_uring_params params{};
  params.flags = setup_flags;
  params.cq_entries = cq;
  raw_ = {};
  return -::io_uring_queue_init_params(sq, &raw_, &params);
}

void ring::require_kernel() {
  bool complete = (raw_.features & required_features) == required_features;
  const opcode_set& known = opcodes(&raw_);
  for (const unsigned opcode : required_opcodes)
    complete = complete && known.test(opcode);
  if (!complete) throw_set_up(EINVAL, sq_entries(), cq_entries());
}

// What makes the ring better, and works without.
void ring::tune() noexcept {
  // 60 ns less for each enter
  if (::io_uring_register_ring_fd(&raw_) == 1) enter_flags_ = IORING_ENTER_REGISTERED_RING;
  (void)::io_uring_ring_dontfork(&raw_);
  const long cpus = std::max(::sysconf(_SC_NPROCESSORS_ONLN), 1l);
  unsigned workers[2] = {std::min(most_bounded_workers, static_cast<unsigned>(cpus)),
                         most_unbounded_workers};
  (void)::io_uring_register_iowq_max_workers(&raw_, workers);
  wait_flags_ = IORING_ENTER_GETEVENTS;
  // The read that wake() completes is always in flight: without this an idle worker counts as one
  // that waits for a disk.
  if ((raw_.features & uring::feature_no_iowait) != 0) wait_flags_ |= uring::enter_no_iowait;
}

bool ring::has_opcode(unsigned opcode) const noexcept {
  const opcode_set& known = opcodes(nullptr);
  return opcode < known.size() && known.test(opcode);
}

bool ring::injects_errors_natively() {
  constexpr int marker = 77;
  io_uring_sqe* sqe = get_sqe();
  ::io_uring_prep_nop(sqe);
  ::io_uring_sqe_set_data64(sqe, 0);
  sqe->rw_flags = static_cast<int>(uring::nop_inject_result);
  sqe->len = marker;
  bool works = false;
  bool answered = false;
  while (!answered) {
    (void)wait(time_point::max());
    (void)reap_raw(1, [&](std::uint64_t, int res, unsigned) {
      works = res == marker;
      answered = true;
    });
  }
  return works;
}

// Shows the kernel what was taken by get_sqe(). Returns: how many it has yet to consume.
unsigned ring::publish() noexcept {
  raw_.sq.sqe_head = raw_.sq.sqe_tail;
  // release: pairs with the kernel's acquire of the tail, before it reads the submissions
  ::io_uring_smp_store_release(raw_.sq.ktail, raw_.sq.sqe_tail);
  return pending();
}

entered ring::enter(how h, time_point deadline) noexcept {
  check_process();
  for (;;) {
    unsigned to_submit = h == how::wait_only ? 0 : publish();
    bool blocks = h == how::wait || h == how::wait_only;
    duration left = duration::max();
    if (blocks && deadline != time_point::max()) {
      // Anew after each EINTR: a signal does not prolong the wait. The epoch: no need for a clock.
      const time_point now = deadline <= time_point{} ? time_point{} : monotonic_now();
      blocks = deadline > now;
      if (blocks) left = deadline - now;
    }
    if (to_submit == 0 && !blocks && (h == how::submit || !flagged())) return entered::done;

    int result = 0;
    if (faults_ != nullptr) [[unlikely]] {
      const unsigned whole = to_submit;
      result = -faults_->enter(to_submit);
      blocks = blocks && to_submit == whole;  // the kernel does not wait either when it stops early
    }
    if (result == 0) {
      const unsigned flags = blocks ? wait_flags_ : h == how::submit ? 0 : IORING_ENTER_GETEVENTS;
      result = call(to_submit, blocks ? 1 : 0, flags,
                    blocks && left != duration::max() ? &left : nullptr);
    }
    if (result >= 0 || result == -ETIME) return entered::done;
    if (result == -EAGAIN || result == -EBUSY) return entered::refused;
    if (result != -EINTR) die(-result, on_owner_thread());
  }
}

// io_uring_enter(2) itself. What it returns says nothing of completions, and when it has submitted
// anything it hides ETIME and EINTR: callers look at the ring.
int ring::call(unsigned to_submit, unsigned min_complete, unsigned flags,
               const duration* timeout) noexcept {
  syscalls_.add();
  flags |= enter_flags_;
  const auto fd = static_cast<unsigned>(raw_.enter_ring_fd);
  if (timeout == nullptr) {
    return ::io_uring_enter2(fd, to_submit, min_complete, flags, nullptr, 0);
  }
  __kernel_timespec ts{};
  ts.tv_sec = timeout->count() / 1'000'000'000;
  ts.tv_nsec = timeout->count() % 1'000'000'000;
  io_uring_getevents_arg arg{};
  arg.ts = reinterpret_cast<std::uintptr_t>(&ts);
  return ::io_uring_enter2(fd, to_submit, min_complete, flags | IORING_ENTER_EXT_ARG,
                           reinterpret_cast<sigset_t*>(&arg), sizeof arg);
}

}  // namespace sluice::detail
