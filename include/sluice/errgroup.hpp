// SPDX-License-Identifier: MIT
// errgroup: routines that work on one thing, and end with it; as Go's x/sync/errgroup.
#pragma once

#include <sluice/boundary.hpp>
#include <sluice/context.hpp>
#include <sluice/detail/sync/group_core.hpp>
#include <sluice/detail/sync/group_start.hpp>
#include <sluice/result.hpp>

#include <concepts>
#include <cstddef>
#include <limits>
#include <source_location>
#include <type_traits>
#include <utility>

namespace sluice {

/// What an exception of a routine of a group does.
enum class failure_policy : unsigned char {
  propagate,  // cancels the group, and is rethrown by errgroup::run
  crash,      // panics at once, where it left its routine
};

struct errgroup_options {
  /// Routines that run at a time; those beyond wait to begin. Above 0.
  std::size_t limit = std::numeric_limits<std::size_t>::max();
  failure_policy policy = failure_policy::propagate;
};
static_assert(std::is_trivially_destructible_v<errgroup_options>,
              "g++ 12 destroys aggregates with destructors twice in expressions that await");

/// A group of routines, made by errgroup::run and given to its body:
///
///   auto r = co_await errgroup::run([&](errgroup& g) -> task<> {
///     for (const auto& url : urls) g.go(fetch, url);
///     co_return;
///   });
///
/// Whichever way the body ends, run() returns when the last of its routines has: what they borrow outlives
/// them. They run in a context of the group, a child of the caller's; the first failure cancels it.
/// Threads: go, try_go and room from the body and from routines of the group.
class SLUICE_EXPORT errgroup {
 public:
  errgroup(const errgroup&) = delete;
  errgroup& operator=(const errgroup&) = delete;

  /// Runs body(group), a task<> or task<result<void>>, and waits for the routines it has started.
  /// Returns: the first error that one of them, or the body, returned as a result or a std::error_code.
  /// Errors: rethrows the first exception, whether or not there is an error. Panics if the limit is 0.
  /// Cancellation: stops the body and all routines, waits for them, then ends stopped; unless one has failed, or
  ///   all have come to their ends nevertheless: that is delivered. To be stopped is no failure.
  template <class F>
  static task<result<void>> run(errgroup_options options, F&& body) {
    detail::check_callable<F>();
    return run_body<std::decay_t<F>>(options, std::forward<F>(body));
  }
  template <class F>
  static task<result<void>> run(F&& body) {
    return run(errgroup_options{}, std::forward<F>(body));
  }

  /// Starts a routine that runs f(args...), as sluice::go does; but arguments may borrow: a string_view, a
  /// span, std::ref(x). At the limit it begins when another has ended.
  /// Errors: throws std::bad_alloc, or what copying throws: nothing has been started then.
  template <class F>
    requires detail::startable<F>
  void go(F&& f, std::source_location at = std::source_location::current()) {
    start(at, std::forward<F>(f));
  }
  template <class F, class A1>
    requires detail::startable<F, A1>
  void go(F&& f, A1&& a1, std::source_location at = std::source_location::current()) {
    start(at, std::forward<F>(f), std::forward<A1>(a1));
  }
  template <class F, class A1, class A2>
    requires detail::startable<F, A1, A2>
  void go(F&& f, A1&& a1, A2&& a2, std::source_location at = std::source_location::current()) {
    start(at, std::forward<F>(f), std::forward<A1>(a1), std::forward<A2>(a2));
  }
  template <class F, class A1, class A2, class A3>
    requires detail::startable<F, A1, A2, A3>
  void go(F&& f, A1&& a1, A2&& a2, A3&& a3,
          std::source_location at = std::source_location::current()) {
    start(at, std::forward<F>(f), std::forward<A1>(a1), std::forward<A2>(a2), std::forward<A3>(a3));
  }
  template <class F, class A1, class A2, class A3, class A4>
    requires detail::startable<F, A1, A2, A3, A4>
  void go(F&& f, A1&& a1, A2&& a2, A3&& a3, A4&& a4,
          std::source_location at = std::source_location::current()) {
    start(at, std::forward<F>(f), std::forward<A1>(a1), std::forward<A2>(a2), std::forward<A3>(a3),
          std::forward<A4>(a4));
  }
  template <class T, class... A>
  void go(task<T>, A&&...) = delete;  // go: write g.go(f, args...), not g.go(f(args...))

  /// Starts f if a routine more may run now. Returns: whether it did; if not f is untouched.
  template <class F>
    requires detail::startable<F>
  bool try_go(F&& f, std::source_location at = std::source_location::current()) {
    if (!core_.try_admit()) return false;
    detail::start_in_group(core_, true, {nullptr, at}, std::forward<F>(f));
    return true;
  }
  template <class T>
  bool try_go(task<T>) = delete;  // try_go: write g.try_go(f), not g.try_go(f())

  /// Waits until a routine more may run: back-pressure for a body that starts many. `co_await g.room();`
  /// Cancellation: ends stopped.
  detail::op_call<detail::group_room_op, detail::group_core*> room() noexcept {
    return detail::op_call<detail::group_room_op, detail::group_core*>(&core_);
  }

  /// The group's, in which its body and its routines run: cancelled by the first failure with its code as
  /// the cause, and when run() returns.
  sluice::context context() const noexcept { return sluice::context(core_.context()); }

  /// Cancels the group's context: what of the group waits ends stopped, which is no failure.
  void cancel() noexcept { core_.cancel_all(); }

 private:
  explicit errgroup(const errgroup_options& o)
      : core_(o.limit, o.policy == failure_policy::crash) {}

  template <class F>
  static task<result<void>> run_body(errgroup_options options, F body);

  template <class F, class... A>
  void start(std::source_location at, F&& f, A&&... a) {
    core_.admit();
    detail::start_in_group(core_, false, {nullptr, at}, std::forward<F>(f), std::forward<A>(a)...);
  }

  detail::group_core core_;
};

// Implementation

namespace detail {
inline constexpr boundary_kind group_kind{.enters = true, .catches = true};
}

template <class F>
task<result<void>> errgroup::run_body(errgroup_options options, F body) {
  using made = std::remove_cvref_t<std::invoke_result_t<F&, errgroup&>>;
  static_assert(detail::is_task_type<made>, "errgroup: the body is body(errgroup&) -> task<>");
  using value = typename made::value_type;
  static_assert(std::is_void_v<value> || std::is_same_v<value, result<void>>,
                "errgroup: the body returns task<> or task<result<void>>");
  errgroup g(options);
  detail::group_core& core = g.core_;
  {
    detail::outcome<value> ended = co_await detail::bound<detail::outcome_op>(
        detail::frame_of(body(g)), detail::group_kind, detail::given_context(core.context()));
    if (ended.exception()) {
      core.fail(nullptr, ended.exception());
    } else if (ended.is_stopped()) {
      core.lose();
      core.cancel_all();
    } else if constexpr (!std::is_void_v<value>) {
      detail::note_value(core, ended.take());
    }
  }
  for (bool all = false; !all;) {
    all = co_await detail::op_call<detail::group_join_op, detail::group_core*>(&core);
  }
  std::optional<error> failure = core.take_failure();
  if (failure) co_return *std::move(failure);
  // Without a failure it was cancel() that has stopped something, or whoever stops the caller.
  if (core.has_lost()) co_await detail::op_call<detail::stop_point_op>();
  co_return {};
}

}  // namespace sluice
