// SPDX-License-Identifier: MIT
// wait_group: waits for a number of things to end; as Go's sync.WaitGroup.
#pragma once

#include <sluice/config.hpp>
#include <sluice/detail/sched/op_call.hpp>
#include <sluice/detail/sched/start_routine.hpp>
#include <sluice/detail/sync/wait_group_core.hpp>

#include <cstddef>
#include <source_location>
#include <tuple>
#include <type_traits>
#include <utility>

namespace sluice {

/// A count of what is still to end. A counted reference, as a chan: copies are the same group.
///
///   wait_group wg;
///   for (auto& item : items) wg.go(work, item);
///   co_await wg.wait();
///
/// It does not stop what it waits for: that is errgroup. What a routine did before done() happens before what
/// another does after wait().
/// Threads: any, but for wait() and go(). Cost: one allocation each group.
class wait_group {
 public:
  /// Adds to the count; n may be negative. Errors: panics, and changes nothing, if it would become negative.
  void add(std::ptrdiff_t n) const { core_.get()->add(n); }
  /// Takes one off the count.
  void done() const { core_.get()->add(-1); }
  /// Suspends until the count is zero: `co_await wg.wait();`
  /// Cancellation: ends stopped; the count is as it was.
  /// Lifetime: the last reference must not go while a routine waits; that is fatal.
  detail::op_call<detail::wait_group_op, detail::wait_group_core*> wait() const noexcept {
    return detail::op_call<detail::wait_group_op, detail::wait_group_core*>(core_.get());
  }

  /// Starts a routine that is counted until it has ended, however it ends: add(1), go(f, args...), done().
  /// Errors: an exception that leaves f panics, as nobody joins. Else as sluice::go.
  template <class F>
    requires detail::startable<F>
  void go(F&& f, std::source_location at = std::source_location::current()) const {
    start(at, std::forward<F>(f));
  }
  template <class F, class A1>
    requires detail::startable<F, A1>
  void go(F&& f, A1&& a1, std::source_location at = std::source_location::current()) const {
    start(at, std::forward<F>(f), std::forward<A1>(a1));
  }
  template <class F, class A1, class A2>
    requires detail::startable<F, A1, A2>
  void go(F&& f, A1&& a1, A2&& a2,
          std::source_location at = std::source_location::current()) const {
    start(at, std::forward<F>(f), std::forward<A1>(a1), std::forward<A2>(a2));
  }
  template <class F, class A1, class A2, class A3>
    requires detail::startable<F, A1, A2, A3>
  void go(F&& f, A1&& a1, A2&& a2, A3&& a3,
          std::source_location at = std::source_location::current()) const {
    start(at, std::forward<F>(f), std::forward<A1>(a1), std::forward<A2>(a2), std::forward<A3>(a3));
  }
  template <class F, class A1, class A2, class A3, class A4>
    requires detail::startable<F, A1, A2, A3, A4>
  void go(F&& f, A1&& a1, A2&& a2, A3&& a3, A4&& a4,
          std::source_location at = std::source_location::current()) const {
    start(at, std::forward<F>(f), std::forward<A1>(a1), std::forward<A2>(a2), std::forward<A3>(a3),
          std::forward<A4>(a4));
  }
  template <class T, class... A>
  void go(task<T>, A&&...) const = delete;  // go: write wg.go(f, args...), not wg.go(f(args...))

 private:
  /// f, and a share of the count for as long as the routine has it.
  template <class F>
  class counted_call {
   public:
    template <class G>
    counted_call(const detail::wait_group_ref& g, G&& f) : f_(std::forward<G>(f)), share_(g) {}
    template <class... A>
      requires detail::callable_with<F&, A...>
    decltype(auto) operator()(A&&... a) {
      return detail::call(f_, std::forward<A>(a)...);
    }

   private:
    F f_;
    detail::wait_group_share share_;
  };

  template <class F, class... A>
  void start(std::source_location at, F&& f, A&&... a) const {
    static_cast<void>(detail::start_routine(
        {nullptr, at}, counted_call<std::decay_t<F>>(core_, std::forward<F>(f)),
        std::forward<A>(a)...));
  }

  detail::wait_group_ref core_;
};

}  // namespace sluice
