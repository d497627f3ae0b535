// SPDX-License-Identifier: MIT
// An executor whose workers park on rings that fail by seed, tiny ones, and that keep a book: each
// operation that was started is completed once.
//
// Threads are not replayed; of a seed, the faults of each ring are.
#pragma once

#include <sluice/clock.hpp>
#include <sluice/go.hpp>

#include "io/uring_reactor.hpp"
#include "sched/executor_core.hpp"
#include "support/watchdog.hpp"

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <source_location>
#include <unordered_set>
#include <utility>

#include <doctest/doctest.h>

namespace sluice_test {

struct faulty_options {
  std::uint64_t seed = 1;
  int workers = 2;
  sluice::detail::ring_faults faults{};  // the seed is that above, another one for each ring
  unsigned sq_entries = 4;
  unsigned cq_entries = 8;
  bool tries_at_once = true;  // files, before the ring gets them
};

/// Faults that nobody above the reactor may notice: nothing is shorter than asked for, nothing fails.
inline sluice::detail::ring_faults unnoticed_faults(std::uint64_t seed) {
  sluice::detail::ring_faults f;
  f.errors = 100;
  f.errors_everywhere = seed % 2 == 0;
  // EAGAIN of what is no transfer is a result.
  f.error_codes =
      f.errors_everywhere ? std::vector<int>{EINTR, 512, 516} : std::vector{EAGAIN, 513};
  f.native_errors = seed % 3 != 0;
  f.interrupts = 100;
  f.refusals = 100;
  f.prefixes = 300;
  f.delays = 200;
  f.reorder = true;
  return f;
}

/// What all rings of an executor did.
struct ring_book {
  std::atomic<unsigned long> started{0};
  std::atomic<unsigned long> completed{0};
  std::atomic<unsigned long> cancels{0};
  std::atomic<unsigned long> wrong{0};  // started while in flight, completed while not, left over
  std::mutex mu;
  sluice::detail::fault_counts injected;  // guarded by mu

  void add(const sluice::detail::fault_counts& c) {
    const std::lock_guard lock(mu);
    injected.short_transfers += c.short_transfers;
    injected.errors += c.errors;
    injected.interrupts += c.interrupts;
    injected.refusals += c.refusals;
    injected.prefixes += c.prefixes;
    injected.delays += c.delays;
    injected.reordered += c.reordered;
  }
};

/// Owner, but for construction and destruction: the worker.
class audited_ring final : public sluice::detail::uring_reactor {
 public:
  audited_ring(const sluice::detail::uring_options& o, ring_book& book)
      : uring_reactor(o), book_(book) {}
  ~audited_ring() override {
    book_.wrong.fetch_add(in_flight_.size());
    book_.add(underlying().faults()->counts());
  }

  void start(sluice::detail::operation& op) noexcept override {
    book_.started.fetch_add(1);
    if (!in_flight_.insert(&op).second) book_.wrong.fetch_add(1);
    uring_reactor::start(op);
  }
  void cancel(sluice::detail::operation& op) noexcept override {
    book_.cancels.fetch_add(1);
    if (in_flight_.count(&op) == 0) book_.wrong.fetch_add(1);
    uring_reactor::cancel(op);
  }
  static void complete(sluice::detail::operation& op, int result) noexcept {
    auto& self = static_cast<audited_ring&>(*sluice::detail::current_worker()->io);
    self.book_.completed.fetch_add(1);
    if (self.in_flight_.erase(&op) == 0) self.book_.wrong.fetch_add(1);
    sluice::detail::complete(op, result);
  }

 private:
  ring_book& book_;
  std::unordered_set<const sluice::detail::operation*> in_flight_;
};

class faulty_executor {
 public:
  explicit faulty_executor(const faulty_options& o) : core_(core_of(o)) { core_.start(); }
  faulty_executor(const faulty_executor&) = delete;
  faulty_executor& operator=(const faulty_executor&) = delete;
  ~faulty_executor() { end(); }

  /// As sluice::run.
  template <class F, class... A>
  auto run(F&& f, A&&... a) {
    using value = sluice::detail::routine_value_t<F, A...>;
    sluice::join_handle<value> main(
        sluice::detail::start_routine({&core_, std::source_location::current(), "main"},
                                      std::forward<F>(f), std::forward<A>(a)...));
    return std::move(main).get();
  }

  /// Ends the workers. Afterwards the book is complete.
  const ring_book& end() {
    if (!std::exchange(ended_, true)) {
      CHECK(core_.stop_routines(core_.now() + std::chrono::minutes(1)));
      core_.stop_workers();
      CHECK(book_.started.load() == book_.completed.load());
      CHECK(book_.wrong.load() == 0);
    }
    return book_;
  }

  /// Times that a worker took routines from another.
  unsigned long steals() const {
    unsigned long n = 0;
    for (const auto& w : core_.workers())
      n += w->count.steals.load();
    return n;
  }

 private:
  sluice::detail::core_options core_of(const faulty_options& o) {
    sluice::detail::core_options c;
    c.workers = o.workers;
    c.seed = o.seed;
    c.blocking.limit = 4;
    c.tries_at_once = o.tries_at_once;
    c.make_reactor = [this, o](sluice::detail::executor_core&) {
      sluice::detail::ring_faults faults = o.faults;
      faults.seed = o.seed * 64 + rings_.fetch_add(1);
      return std::make_unique<audited_ring>(
          sluice::detail::uring_options{.sq_entries = o.sq_entries,
                                        .cq_entries = o.cq_entries,
                                        .faults = &faults,
                                        .complete = audited_ring::complete},
          book_);
    };
    return c;
  }

  ring_book book_;
  std::atomic<unsigned> rings_{0};
  bool ended_ = false;
  sluice::detail::executor_core core_;
};

/// Runs f() on tiny rings whose faults nobody may notice, one and several workers. f: as run's.
template <class F>
void on_faulty_rings(F f, std::uint64_t seeds = 6) {
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    CAPTURE(seed);
    const watchdog dog("faulty rings");
    faulty_executor ex({.seed = seed,
                        .workers = 1 + static_cast<int>(seed % 3),
                        .faults = unnoticed_faults(seed),
                        .tries_at_once = seed % 2 == 0});
    ex.run(f);
  }
}

}  // namespace sluice_test
