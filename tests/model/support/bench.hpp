// SPDX-License-Identifier: MIT
// Real workers and a real executor under the model checker: only their threads and what they block in
// are simulated.
#pragma once

#include "model/checker/model.hpp"
#include "model/checker/plain.hpp"
#include "sched/executor_core.hpp"

#include <cstddef>
#include <memory>

#include <pthread.h>
#include <signal.h>

namespace model_test {

namespace sd = sluice::detail;

/// Blocks until it is woken, as a reactor with an eventfd does. What it is given to do is kept.
class fake_reactor final : public sd::reactor {
 public:
  void start(sd::operation& op) noexcept override {
    ++inflight_;
    started.store(&op, std::memory_order_release);  // release: as the lock of a pool's queue
  }
  void cancel(sd::operation& op) noexcept override {
    if (on_cancel) on_cancel(op);
  }
  void poll(sluice::time_point deadline) noexcept override {
    if (deadline == sluice::time_point::max()) {
      model::wait_until("its eventfd", [this] { return token_.latest(); });
    } else if (deadline > sluice::time_point{}) {
      model::yield();
    }
    token_.exchange(false, std::memory_order_acq_rel);  // as read(2) of an eventfd
  }
  bool ready() const noexcept override { return false; }
  void wake() noexcept override { token_.exchange(true, std::memory_order_acq_rel); }
  std::size_t inflight() const noexcept override { return inflight_; }
  unsigned long syscalls() const noexcept override { return 0; }

  sd::atomic<sd::operation*> started{nullptr};
  std::function<void(sd::operation&)> on_cancel;

 private:
  sd::atomic<bool> token_{false};
  std::size_t inflight_ = 0;
};

/// A routine without a coroutine: it is made runnable and taken, and that is all.
struct probe : sd::routine {
  model::plain<int> value{0};  // written before it is made runnable, read by the taker
  bool pushed = false;         // of the checks, as below
  bool taken = false;
};

/// A worker's whole life. The thread that explores keeps its signals.
inline void serve_whole(sd::worker& w) {
  sigset_t before;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &before);
  w.serve();
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

/// An executor and its workers, without threads.
class bench {
 public:
  explicit bench(int workers) : ex(options(workers)) {
    for (const auto& w : ex.workers())
      w->io = std::make_unique<fake_reactor>();
  }

  sd::worker& worker(int i) { return *ex.workers()[static_cast<std::size_t>(i)]; }
  fake_reactor& io(int i) { return static_cast<fake_reactor&>(*worker(i).io); }

  /// Makes the calling thread that of worker `i`.
  sd::worker& become(int i) {
    sd::set_current_worker(&worker(i));
    return worker(i);
  }

  /// Before it is pushed.
  sd::routine& push(probe& p) {
    p.executor = &ex;
    p.value = 1;
    p.pushed = true;
    return p;
  }

  static void take(sd::routine* r) {
    auto& p = static_cast<probe&>(*r);
    model::require(!p.taken, "a routine is taken twice");
    p.taken = true;
    model::require(p.value == 1, "the routine is not seen");
    p.value = 2;
  }

  /// A worker's life: takes routines, parks. After `limit` of them it is stuck in the last one.
  void serve(int i, int limit) {
    sd::worker& w = become(i);
    for (int n = 0; n < limit; ++n)
      take(w.next());
  }

  template <std::size_t N>
  static void check_taken(const probe (&probes)[N]) {
    for (const probe& p : probes) {
      model::require(p.taken || !p.pushed, "a routine is left behind while a worker sleeps");
    }
  }

  sd::executor_core ex;

 private:
  static sd::core_options options(int workers) {
    sd::core_options o;
    o.workers = workers;
    return o;
  }
};

}  // namespace model_test
