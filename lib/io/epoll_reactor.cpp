// SPDX-License-Identifier: MIT
// How operations move between a worker, its epoll instance and the pool.
//
//   started --> ended_            it was tried and has its result
//           --> watch --> ended_  when its descriptor was ready
//           --> job --> home      a thread of the pool has made the call
//   watch <--> job                blocking-mode streams: ready takes a thread, which may find it is not
#include "io/epoll_reactor.hpp"

#include <sluice/detail/base/assert.hpp>

#include "io/sync_op.hpp"

#include <cerrno>
#include <new>

#include <sys/epoll.h>

namespace sluice::detail {

namespace {

constexpr std::size_t page_watches = 64;  // a page is 2 KiB
constexpr int batch = 128;                // events a poll takes at most: 1.5 KiB of stack
// While operations end at once, one poll in so many looks at epoll: a look costs 160 ns.
constexpr unsigned look_every = 8;

constexpr unsigned always_reported = EPOLLERR | EPOLLHUP;
constexpr unsigned poll_bits = 0xffff;  // what poll(2) can ask for; epoll's own flags lie above

}  // namespace

// ---- parts

/// Who waits for a descriptor, and for what.
struct epoll_reactor::watch {
  op_fifo readers, writers;      // in turn
  op_fifo pollers;               // all of them at once
  std::uint32_t generation = 0;  // of its registration: events of an older one are void

  bool empty() const noexcept { return readers.empty() && writers.empty() && pollers.empty(); }
  std::uint32_t events() const noexcept;
  std::uint64_t key(int fd) const noexcept {
    return std::uint64_t{generation} << 32 | static_cast<std::uint32_t>(fd);
  }
};

/// One call for the pool to make.
struct epoll_reactor::job : pool_job {
  epoll_reactor* reactor = nullptr;
  io_op* op = nullptr;     // whose job it is, or was last
  bool stream = false;     // by execute_ready()
  bool cancelled = false;  // ends if it comes back unready
  job* link = nullptr;     // in free_ or a job_stack

  /// An operation finds its job through queue_next, which no queue uses meanwhile.
  static job* of(const io_op& o) noexcept { return reinterpret_cast<job*>(o.queue_next); }
  void attach(io_op& o) noexcept {
    op = &o;
    o.queue_next = reinterpret_cast<operation*>(this);
  }
};

void epoll_reactor::job_stack::push(job& j) noexcept {
  job* top = top_.load(std::memory_order_relaxed);  // relaxed: the CAS decides
  do {
    j.link = top;
    // release: the link is seen by take_all() [E3]
  } while (
      !top_.compare_exchange_weak(top, &j, std::memory_order_release, std::memory_order_relaxed));
}

epoll_reactor::job* epoll_reactor::job_stack::take_all() noexcept {
  if (empty()) return nullptr;
  return top_.exchange(nullptr, std::memory_order_acquire);  // acquire: pairs with push() [E3]
}

bool epoll_reactor::job_stack::empty() const noexcept {
  // relaxed: what is pushed later is announced by wake() or not needed yet
  return top_.load(std::memory_order_relaxed) == nullptr;
}

// ---- life

epoll_reactor::epoll_reactor(blocking_pool& pool) : epoll_reactor(pool, options{}) {}

epoll_reactor::epoll_reactor(blocking_pool& pool, const options& o) : pool_(pool), to_(o) {}

epoll_reactor::~epoll_reactor() {
  SLUICE_ASSERT(inflight() == 0, "epoll: reactor destroyed with an operation in flight");
}

// ---- what becomes of operations

void epoll_reactor::start(operation& o) noexcept {
  auto& op = static_cast<io_op&>(o);
  if (join_queue(op)) return;
  const attempted a = try_execute(op);
  count(a.calls);
  settle(op, a);
}

/// Completed by the next poll(), where the worker expects it.
void epoll_reactor::end(io_op& op, int result) noexcept {
  op.result = result;
  ended_.push(op);
  ++ended_count_;
}

void epoll_reactor::settle(io_op& op, const attempted& a) noexcept {
  switch (a.what) {
    case attempt::done:
      return end(op, a.result);
    case attempt::not_ready:
      return wait_ready(op);
    case attempt::file:
      return offload(op, false);
    case attempt::stream:
      return offload(op, true);
  }
}

/// Returns: whether there was anything.
bool epoll_reactor::flush() noexcept {
  if (ended_.empty()) return false;
  ended_count_ = 0;
  for (op_fifo ended = std::move(ended_); !ended.empty();) {
    io_op& op = ended.pop();
    to_.complete(op, op.result);  // op may be gone
  }
  return true;
}

void epoll_reactor::cancel(operation& o) noexcept {
  auto& op = static_cast<io_op&>(o);
  if (watch* w = find_watch(op.fd)) {
    op_fifo* queue = queue_of(*w, op.code);
    if (queue != nullptr && queue->remove(op)) {
      --watching_;
      return to_.complete(op, -ECANCELED);
    }
  }
  if (ended_.contains(op)) return;  // its result wins
  job* const j = job::of(op);
  if (j == nullptr || j->op != &op) return;  // it is on its way home, and its job serves another
  if (!pool_.withdraw(*j)) {
    j->cancelled = true;
    return;
  }
  in_pool_.fetch_sub(1, std::memory_order_relaxed);  // relaxed: no thread of the pool took part
  j->link = std::exchange(free_, j);
  op.queue_next = nullptr;
  to_.complete(op, -ECANCELED);
}

std::size_t epoll_reactor::inflight() const noexcept {
  // acquire: pairs with run_job() [E1]
  return watching_ + ended_count_ + in_pool_.load(std::memory_order_acquire);
}

// ---- watches

epoll_reactor::watch* epoll_reactor::find_watch(int fd) const noexcept {
  const std::size_t page = static_cast<std::size_t>(fd) / page_watches;
  if (fd < 0 || page >= pages_.size() || pages_[page] == nullptr) return nullptr;
  return &pages_[page][static_cast<std::size_t>(fd) % page_watches];
}

/// Returns: null if there is no memory.
epoll_reactor::watch* epoll_reactor::make_watch(int fd) noexcept {
  const std::size_t page = static_cast<std::size_t>(fd) / page_watches;
  try {
    if (page >= pages_.size()) pages_.resize(page + 1);
    if (pages_[page] == nullptr) pages_[page] = std::make_unique<watch[]>(page_watches);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
  return find_watch(fd);
}

op_fifo* epoll_reactor::queue_of(watch& w, opcode code) noexcept {
  switch (code) {
    case opcode::read:
    case opcode::readv:
      return &w.readers;
    case opcode::write:
    case opcode::writev:
      return &w.writers;
    case opcode::poll:
      return &w.pollers;
    default:
      return nullptr;
  }
}

/// Puts a read or write behind those that wait for the same already. Returns: whether it did.
bool epoll_reactor::join_queue(io_op& op) noexcept {
  watch* const w = find_watch(op.fd);
  op_fifo* const queue = w != nullptr ? queue_of(*w, op.code) : nullptr;
  if (queue == nullptr || queue->empty() || op.code == opcode::poll) return false;
  queue->push(op);
  if (set_.arm(op.fd, w->events(), w->key(op.fd)) == 0) {
    ++watching_;
    return true;
  }
  queue->remove(op);
  fail(*w, -EBADF);  // they wait for a file that this number does not mean any more
  return false;
}

/// Has an operation that was found not ready wait until it is.
void epoll_reactor::wait_ready(io_op& op) noexcept {
  watch* const w = make_watch(op.fd);
  if (w == nullptr) return end(op, -ENOMEM);
  const bool shared = !w->empty();
  op_fifo& queue = *queue_of(*w, op.code);
  queue.push(op);
  int error = set_.arm(op.fd, w->events(), w->key(op.fd));
  if (error != 0 && shared) {
    queue.remove(op);
    fail(*w, -EBADF);  // as in join_queue()
    queue.push(op);
  }
  if (error == ENOENT) {
    ++w->generation;
    error = set_.add(op.fd, w->events(), w->key(op.fd));
  }
  if (error == 0) {
    ++watching_;
    return;
  }
  queue.remove(op);
  if (error == EPERM) return offload(op, false);  // epoll does not take what is always ready
  end(op, -error);
}

/// What epoll shall report for all that wait in a watch.
std::uint32_t epoll_reactor::watch::events() const noexcept {
  std::uint32_t all = 0;
  if (!readers.empty()) all |= EPOLLIN;
  if (!writers.empty()) all |= EPOLLOUT;
  if (pollers.empty()) return all;
  for (const io_op* op = &pollers.front(); op != nullptr; op = pollers.after(*op)) {
    all |= op->flags & poll_bits;
  }
  return all;
}

/// Ends all that wait in a watch.
void epoll_reactor::fail(watch& w, int result) noexcept {
  for (op_fifo* queue : {&w.readers, &w.writers, &w.pollers}) {
    while (!queue->empty()) {
      --watching_;
      end(queue->pop(), result);
    }
  }
}

/// Goes on with those that wait in turn, as far as the descriptor lets them.
void epoll_reactor::advance(op_fifo& queue) noexcept {
  while (!queue.empty()) {
    const attempted a = try_execute(queue.front());
    count(a.calls);
    if (a.what == attempt::not_ready) return;
    io_op& op = queue.pop();
    --watching_;
    settle(op, a);
    if (a.what == attempt::stream) return;  // a thread uses up what is there
  }
}

/// Ends the polls that wait for any of `events`.
void epoll_reactor::report(watch& w, unsigned events) noexcept {
  for (op_fifo waiting = std::move(w.pollers); !waiting.empty();) {
    io_op& op = waiting.pop();
    const unsigned got = events & (op.flags | always_reported) & poll_bits;
    if (got == 0) {
      w.pollers.push(op);
    } else {
      --watching_;
      end(op, static_cast<int>(got));
    }
  }
}

void epoll_reactor::serve(std::uint64_t key, unsigned events) noexcept {
  const auto fd = static_cast<int>(static_cast<std::uint32_t>(key));
  watch* const w = find_watch(fd);
  if (w == nullptr || w->generation != key >> 32) return;
  report(*w, events);
  if ((events & (EPOLLIN | always_reported)) != 0) advance(w->readers);
  if ((events & (EPOLLOUT | always_reported)) != 0) advance(w->writers);
  if (!w->empty() && set_.arm(fd, w->events(), key) != 0) fail(*w, -EBADF);
}

// ---- jobs

/// Returns: null if there is no memory.
epoll_reactor::job* epoll_reactor::make_job() noexcept {
  if (free_ == nullptr) free_ = returned_.take_all();
  if (job* j = free_) {
    free_ = j->link;
    return j;
  }
  try {
    return &jobs_.emplace_front();
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

void epoll_reactor::offload(io_op& op, bool stream) noexcept {
  job* const j = make_job();
  if (j == nullptr) return end(op, -ENOMEM);
  j->run = run_job;
  j->reactor = this;
  j->stream = stream;
  j->cancelled = false;
  j->attach(op);
  in_pool_.fetch_add(1, std::memory_order_relaxed);  // relaxed: the pool's lock publishes it
  pool_.submit(*j);                                  // published: op may be gone
}

/// On a thread of the pool.
void epoll_reactor::run_job(pool_job& base) noexcept {
  job& j = static_cast<job&>(base);
  epoll_reactor& r = *j.reactor;
  io_op& op = *j.op;
  r.count(1);
  const int result = j.stream ? execute_ready(op) : execute(op);
  if (j.stream && result == -EAGAIN) {
    r.again_.push(j);  // published: op and j may be gone
    r.wake();
    return;
  }
  r.returned_.push(j);  // published: j may serve another
  // release: pairs with inflight() [E1]; before it is sent home, so that who has seen the end of the
  // operation does not find it in flight
  r.in_pool_.fetch_sub(1, std::memory_order_release);
  r.to_.complete_remote(op, result);
}

/// Has those wait again for which a thread of the pool came too late.
void epoll_reactor::look_again() noexcept {
  for (job* j = again_.take_all(); j != nullptr;) {
    job* const following = j->link;
    io_op& op = *j->op;
    in_pool_.fetch_sub(1, std::memory_order_relaxed);  // relaxed: the pool has let go of it
    j->link = std::exchange(free_, j);
    op.queue_next = nullptr;
    if (j->cancelled) {
      end(op, -ECANCELED);
    } else if (!join_queue(op)) {
      wait_ready(op);
    }
    j = following;
  }
}

// ---- polling

void epoll_reactor::poll(time_point deadline) noexcept {
  look_again();
  if (flush()) {
    if (++skipped_ % look_every != 0) return;
    deadline = time_point::min();
  }
  epoll_event events[batch];
  const int n = set_.wait(events, batch, deadline);
  for (int i = 0; i < n; ++i)
    serve(events[i].data.u64, events[i].events);
  look_again();
  flush();
}

void epoll_reactor::wake() noexcept {
  set_.wake();
}

bool epoll_reactor::ready() const noexcept {
  return !ended_.empty() || watching_ != 0 || !again_.empty();
}

void epoll_reactor::count(unsigned calls) noexcept {
  calls_.fetch_add(calls, std::memory_order_relaxed);  // relaxed: a statistic
}

unsigned long epoll_reactor::syscalls() const noexcept {
  return set_.calls() + calls_.load(std::memory_order_relaxed);  // relaxed: a statistic
}

}  // namespace sluice::detail
