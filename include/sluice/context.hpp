// SPDX-License-Identifier: MIT
// Contexts: what a routine is done for, until when, and whether it still is; as Go's package context.
//
// Every routine runs in one, the ambient context, which each `go` and each await inherits: it need not be
// passed on. Every wait honours it: once it is cancelled, the wait that the routine is in, or begins next, ends
// stopped: frames are destroyed innermost first up to the nearest boundary, and nothing can swallow it. What was
// complete is delivered nevertheless.
#pragma once

#include <sluice/clock.hpp>
#include <sluice/config.hpp>
#include <sluice/detail/sched/boundary_op.hpp>
#include <sluice/detail/sched/context_done.hpp>
#include <sluice/detail/sched/context_node.hpp>
#include <sluice/detail/sched/op_call.hpp>
#include <sluice/detail/sched/start_routine.hpp>
#include <sluice/error.hpp>
#include <sluice/go.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <source_location>
#include <system_error>
#include <utility>

namespace sluice {

class owned_context;
class after_func_handle;

/// A node of the tree of contexts, from the background down. A counted reference: copies are the same node.
///
/// Threads: any, but for done(). Cost: a copy is an atomic count; "cancelled?" is one load.
class SLUICE_EXPORT context {
 public:
  /// The background: never cancelled, without deadline and values.
  context() noexcept = default;
  context(const context&) noexcept = default;
  context(context&&) noexcept = default;
  /// An owner stays one: `owned_context c = ctx.with_cancel();`. A copy of it, by name, is a plain reference.
  context(owned_context&&) = delete;  // context: keep the owner, as owned_context
  context& operator=(const context&) noexcept = default;
  context& operator=(context&&) noexcept = default;
  context& operator=(owned_context&&) = delete;  // context: keep the owner, as owned_context
  ~context() = default;
  static context background() noexcept { return {}; }

  /// The ambient context of the running routine; outside of routines the background.
  static context current() noexcept { return context(detail::current_context()); }

  // --- children. They are cancelled with this one, whose values and deadline they have.

  /// One that cancel() ends.
  owned_context with_cancel() const;
  /// One that ends at `t`, or with this one's deadline if that is earlier, by `cause`.
  /// Errors: panics outside of routines, where no worker keeps the time; throws std::bad_alloc.
  owned_context with_deadline(time_point t, std::error_code cause = errc::deadline_exceeded) const;
  template <class Rep, class Period>
  owned_context with_timeout(std::chrono::duration<Rep, Period> d,
                             std::error_code cause = errc::deadline_exceeded) const;
  /// One that has a value more: K{args...}, found by its type.
  template <class K, class... A>
  context with_value(A&&... args) const {
    return context(detail::context_ref(new detail::value_node<K>(node_, std::forward<A>(args)...)));
  }
  /// One with the values of this, but neither its end nor its deadline.
  context without_cancel() const { return context(detail::shield_of(node_)); }

  // --- what it is

  /// When it will be cancelled at the latest, if that is known.
  std::optional<time_point> deadline() const noexcept;
  /// Nothing; once cancelled errc::canceled or errc::deadline_exceeded.
  std::error_code err() const noexcept { return detail::end_of(node_.get()).err; }
  /// Nothing; once cancelled what it, or the one above it that was, was cancelled with.
  std::error_code cause() const noexcept { return detail::end_of(node_.get()).cause; }
  /// The nearest value of type K, from this one upwards; null if there is none.
  /// Lifetime: that of this context.
  template <class K>
  const K* value() const noexcept {
    if (node_.get() == nullptr) return nullptr;
    return static_cast<const K*>(node_.get()->find(&detail::context_key<K>));
  }
  /// Waits until it is cancelled: `co_await ctx.done();` For ever, if it cannot be.
  /// Cancellation: ends stopped, unless this one is cancelled by then.
  detail::op_call<detail::context_done_op, detail::context_node*> done() const noexcept {
    return detail::op_call<detail::context_done_op, detail::context_node*>(node_.get());
  }

  /// Starts f(args...) as a routine once it is cancelled, in a context with the values of this one.
  /// Arguments as for `go`. Never, if it cannot be cancelled.
  /// Errors: panics outside of routines. Cost: a routine that waits.
  template <class F, class... A>
    requires detail::startable<F, A...>
  after_func_handle after_func(F&& f, A&&... args) const;

  /// Whether both are the same node.
  friend bool operator==(const context& a, const context& b) noexcept {
    return a.node_.get() == b.node_.get();
  }

  /// For the library.
  explicit context(detail::context_ref node) noexcept : node_(std::move(node)) {}
  const detail::context_ref& node() const noexcept { return node_; }

 private:
  detail::context_ref node_;
};

/// A context that this object cancels when it is destroyed, as Go's `defer cancel()`.
///
/// Copies made of it as a `context` are plain references. Moved from it is the background.
class [[nodiscard]] owned_context : public context {
 public:
  owned_context(owned_context&& o) noexcept : context(static_cast<context&&>(o)) {}
  owned_context& operator=(owned_context&& o) noexcept {
    if (this != &o) {
      cancel();
      context::operator=(static_cast<context&&>(o));
    }
    return *this;
  }
  ~owned_context() { cancel(); }

  /// Cancels it and all below it: the waits of their routines end stopped. Returns at once, before they
  /// have ended. Idempotent: the first cause stays.
  /// Threads: any. Cost: for each routine that waits about three times an await (70 ns where that takes 26);
  /// one membarrier (1 us) if one does not.
  void cancel(std::error_code cause = errc::canceled) const noexcept {
    detail::cancel(node().get(), cause);
  }

  /// For the library.
  detail::surrendered_context surrender() && noexcept {
    const context taken(static_cast<context&&>(*this));
    return detail::surrendered_context(taken.node());
  }

 private:
  friend class context;
  using context::context;
};

/// What context::after_func has registered; dropped, it stays registered.
class after_func_handle {
 public:
  /// Takes the function back. Never waits for it.
  /// Returns: whether that came in time: it will not run. Not, if it was stopped before, or the context is
  /// cancelled: it has started then. Threads: any.
  bool stop() noexcept;

 private:
  friend class context;
  struct registration;
  explicit after_func_handle(std::shared_ptr<registration> r) noexcept : r_(std::move(r)) {}

  std::shared_ptr<registration> r_;
};

// ---- running something in a context
//
// `work` is a task, an operation, or a callable that returns a task:
//   auto line = co_await with_timeout(2s, read_line(conn));
//   auto item = co_await with_timeout(2s, queue.recv());
//   auto done = co_await with_timeout(2s, [&]() -> task<> { ... });
// It runs as a part of the routine.
//
// Returns: result<T> of its T (a T that is a result stays one): its value; or an error with the context's
//   cause if it was stopped because the context was cancelled: errc::deadline_exceeded, ...
// Errors: rethrows what it threw; throws std::bad_alloc.
// Cancellation: a stop of the caller stops the work, then the caller.
// Cost: the task's frame (one more for an operation or a callable).

/// Runs `work` in that context, which takes the place of the ambient one: a cancel of the latter takes effect
/// when the work has ended, unless the context is below it.
template <class T>
auto with_context(context c, task<T> work) {
  return detail::bound<detail::result_op>(detail::frame_of(std::move(work)), detail::enters_kind,
                                          detail::given_context(c.node()));
}
template <detail::work W>
auto with_context(context c, W&& work) {
  return detail::bound<detail::result_op>(detail::frame_of(std::forward<W>(work)),
                                          detail::enters_kind, detail::given_context(c.node()));
}

/// As above, in a context that is handed over, and ends with the work: what that has started by `go` stops then.
///   auto r = co_await with_context(signal_context(SIGINT, SIGTERM), serve());
template <class T>
auto with_context(owned_context&& c, task<T> work) {
  return detail::bound<detail::result_op>(detail::frame_of(std::move(work)), detail::owning_kind,
                                          std::move(c).surrender());
}
template <detail::work W>
auto with_context(owned_context&& c, W&& work) {
  return detail::bound<detail::result_op>(detail::frame_of(std::forward<W>(work)),
                                          detail::owning_kind, std::move(c).surrender());
}

/// Runs `work` in a child of the ambient context that ends when `d` is over, and with the work itself:
/// what that has started by `go` stops then. Cost: a node and a timer more, some
/// eight times an await (200 ns where that takes 26).
template <class Rep, class Period, class T>
auto with_timeout(std::chrono::duration<Rep, Period> d, task<T> work) {
  return detail::bound<detail::result_op>(detail::frame_of(std::move(work)), detail::owning_kind,
                                          detail::timeout_context{detail::saturated(d)});
}
template <class Rep, class Period, detail::work W>
auto with_timeout(std::chrono::duration<Rep, Period> d, W&& work) {
  return detail::bound<detail::result_op>(detail::frame_of(std::forward<W>(work)),
                                          detail::owning_kind,
                                          detail::timeout_context{detail::saturated(d)});
}

/// As with_timeout, until a point in time.
template <class T>
auto with_deadline(time_point t, task<T> work) {
  return detail::bound<detail::result_op>(detail::frame_of(std::move(work)), detail::owning_kind,
                                          detail::deadline_context{t});
}
template <detail::work W>
auto with_deadline(time_point t, W&& work) {
  return detail::bound<detail::result_op>(detail::frame_of(std::forward<W>(work)),
                                          detail::owning_kind, detail::deadline_context{t});
}

/// Runs `work` to its end whatever is requested meanwhile; a stop of the caller takes effect at its next
/// wait behind. Returns: what the work returns.
template <class T>
auto without_cancel(task<T> work) {
  return detail::bound<detail::value_op>(detail::frame_of(std::move(work)), detail::shield_kind,
                                         detail::shielded_context{});
}
template <detail::work W>
auto without_cancel(W&& work) {
  return detail::bound<detail::value_op>(detail::frame_of(std::forward<W>(work)),
                                         detail::shield_kind, detail::shielded_context{});
}

/// A context and the place in the program that names it.
struct context_here {
  context_here(const context& ctx,
               std::source_location site = std::source_location::current()) noexcept
      : c(ctx), at(site) {}
  const context& c;
  std::source_location at;
};

/// Starts a routine in that context: what must outlive the ambient one starts in
/// `context::background()`. As `go` otherwise.
template <class F, class... A>
  requires detail::startable<F, A...>
auto go_in(context_here in, F&& f, A&&... a) {
  return join_handle<detail::routine_value_t<F, A...>>(detail::start_routine(
      {nullptr, in.at, nullptr, &in.c.node()}, std::forward<F>(f), std::forward<A>(a)...));
}
template <class T, class... A>
void go_in(context_here, task<T>, A&&...) = delete;  // go: write go_in(ctx, f, args...)

// Implementation

inline owned_context context::with_cancel() const {
  return owned_context(detail::make_cancel_node(node_));
}
inline owned_context context::with_deadline(time_point t, std::error_code cause) const {
  return owned_context(detail::make_cancel_node(node_, t, cause));
}
template <class Rep, class Period>
owned_context context::with_timeout(std::chrono::duration<Rep, Period> d,
                                    std::error_code cause) const {
  return owned_context(detail::make_timed_node(node_, detail::saturated(d), cause));
}
struct after_func_handle::registration {
  enum state : unsigned char { waits, started, stopped };

  explicit registration(const context& c) : of(c), own(c.without_cancel().with_cancel()) {}

  context of;
  owned_context own;  // the routine's, until it has ended
  detail::atomic<unsigned char> is{waits};

  bool move_to(state s) noexcept {
    unsigned char expected = waits;
    // relaxed, both: it decides which of two goes on, and hands nothing over
    return is.compare_exchange_strong(expected, s, std::memory_order_relaxed,
                                      std::memory_order_relaxed);
  }
};

inline bool after_func_handle::stop() noexcept {
  if (r_->of.err() || !r_->move_to(registration::stopped)) return false;
  r_->own.cancel();
  return true;
}

template <class F, class... A>
  requires detail::startable<F, A...>
after_func_handle context::after_func(F&& f, A&&... args) const {
  using registration = after_func_handle::registration;
  auto r = std::make_shared<registration>(*this);
  if (node_.get() == nullptr || node_.get()->governor() == nullptr) return after_func_handle(r);
  go_in(
      r->own,
      [r](auto call, auto... kept) -> task<> {
        co_await r->of.done();
        if (!r->move_to(registration::started)) co_return;
        if constexpr (detail::is_task_type<
                          detail::call_result<decltype(call), decltype(kept)...>>) {
          static_cast<void>(co_await detail::call(std::move(call), std::move(kept)...));
        } else {
          static_cast<void>(detail::call(std::move(call), std::move(kept)...));
        }
      },
      std::forward<F>(f), std::forward<A>(args)...);
  return after_func_handle(r);
}

inline std::optional<time_point> context::deadline() const noexcept {
  const time_point t = detail::deadline_of(node_.get());
  if (t == time_point::max()) return std::nullopt;
  return t;
}

}  // namespace sluice
