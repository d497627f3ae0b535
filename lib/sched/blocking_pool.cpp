// SPDX-License-Identifier: MIT
// The pool's queue, its threads, and how they come and go.
//
// One mutex guards all; jobs run outside it. A thread that leaves hands its id to the next one that
// leaves, or to stop(), which joins it: so at most one ended thread waits to be joined, and none is
// detached.
#include "sched/blocking_pool.hpp"

#include "base/signals_blocked.hpp"
#include "sched/pool_job_list.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>

#include <pthread.h>

namespace sluice::detail {

namespace {

/// An idle thread; lives on its stack.
struct sleeper {
  std::condition_variable called;
  bool coming = false;  // it has been called and counts as coming
  sleeper* below = nullptr;
};

}  // namespace

struct blocking_pool::state {
  using lock = std::unique_lock<std::mutex>;

  explicit state(const options& o) : limit(std::max<std::size_t>(o.limit, 1)), linger(o.linger) {}

  void submit(pool_job& job) noexcept;
  void serve() noexcept;
  void stop() noexcept;

  void push(pool_job& job) noexcept;
  void unlink(pool_job& job) noexcept;
  bool call_thread() noexcept;
  bool start_thread() noexcept;
  bool rest(lock& held) noexcept;

  const std::size_t limit;
  const duration linger;

  mutable std::mutex mu;
  pool_job_list jobs;      // all below: guarded by mu
  std::size_t queued = 0;  // in `jobs`
  std::size_t threads = 0;
  std::size_t coming = 0;  // called or started, and not yet at the queue
  std::size_t idle = 0;    // in `sleepers`
  std::size_t running = 0;
  sleeper* sleepers = nullptr;  // the last to fall idle on top
  bool stopping = false;
  std::optional<pthread_t> left;  // a thread that has left and waits to be joined
  std::condition_variable all_left;
};

void blocking_pool::state::push(pool_job& job) noexcept {
  jobs.push(job);
  ++queued;
}

void blocking_pool::state::unlink(pool_job& job) noexcept {
  jobs.remove(job);
  --queued;
}

void blocking_pool::state::submit(pool_job& job) noexcept {
  lock held(mu);
  push(job);
  if (queued <= coming || call_thread() || threads != 0) return;
  unlink(job);
  held.unlock();
  job.run(job);
}

/// Has one more thread come to the queue, an idle or another one. Returns: whether one comes.
bool blocking_pool::state::call_thread() noexcept {
  if (sleeper* s = sleepers) {
    sleepers = s->below;
    --idle;
    ++coming;
    s->coming = true;
    s->called.notify_one();  // under the lock: without it the sleeper could be gone
    return true;
  }
  return threads < limit && start_thread();
}

/// Under the lock, which makes a failure simple: what is queued then relies on threads that are
/// there. A pool grows seldom.
bool blocking_pool::state::start_thread() noexcept {
  const signals_blocked blocked;
  pthread_t id;
  const auto body = [](void* self) -> void* {
    ::pthread_setname_np(::pthread_self(), "sluice-block");
    static_cast<state*>(self)->serve();
    return nullptr;
  };
  if (::pthread_create(&id, nullptr, body, this) != 0) return false;
  ++threads;
  ++coming;
  return true;
}

void blocking_pool::state::serve() noexcept {
  lock held(mu);
  --coming;
  for (;;) {
    while (!jobs.empty()) {
      pool_job& job = jobs.pop();
      --queued;
      ++running;
      held.unlock();
      job.run(job);  // job may be gone
      held.lock();
      --running;
    }
    if (stopping || !rest(held)) break;
  }
  --threads;
  const std::optional<pthread_t> before = std::exchange(left, ::pthread_self());
  if (threads == 0) all_left.notify_all();
  held.unlock();  // published: *this may be gone
  if (before) ::pthread_join(*before, nullptr);
}

/// Idles until called. Returns: false if nobody called within `linger`.
bool blocking_pool::state::rest(lock& held) noexcept {
  sleeper self;
  self.below = sleepers;
  sleepers = &self;
  ++idle;
  const auto called = [&self] { return self.coming; };
  // More than a year: a deadline that far could not be represented.
  if (linger > std::chrono::hours(24 * 365)) {
    self.called.wait(held, called);
  } else {
    self.called.wait_for(held, linger, called);
  }
  if (self.coming) {
    --coming;
    return true;
  }
  sleeper** at = &sleepers;
  while (*at != &self)
    at = &(*at)->below;
  *at = self.below;
  --idle;
  return false;
}

void blocking_pool::state::stop() noexcept {
  lock held(mu);
  stopping = true;
  while (idle != 0)
    call_thread();
  all_left.wait(held, [this] { return threads == 0; });
  const std::optional<pthread_t> before = std::exchange(left, std::nullopt);
  held.unlock();
  if (before) ::pthread_join(*before, nullptr);
}

blocking_pool::blocking_pool(const options& o) : s_(std::make_unique<state>(o)) {}

blocking_pool::~blocking_pool() {
  stop();
}

void blocking_pool::submit(pool_job& job) noexcept {
  s_->submit(job);
}

bool blocking_pool::withdraw(pool_job& job) noexcept {
  const state::lock held(s_->mu);
  if (!job.queued) return false;
  s_->unlink(job);
  return true;
}

blocking_pool::counts blocking_pool::count() const noexcept {
  const state::lock held(s_->mu);
  return {s_->threads, s_->idle, s_->queued, s_->running};
}

void blocking_pool::stop() noexcept {
  s_->stop();
}

}  // namespace sluice::detail
