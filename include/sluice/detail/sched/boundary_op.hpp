// SPDX-License-Identifier: MIT
// The boundaries of the library's calls: what each gives for a task that has ended, or was stopped.
#pragma once

#include <sluice/detail/sched/boundary.hpp>
#include <sluice/detail/sched/work.hpp>
#include <sluice/error.hpp>
#include <sluice/result.hpp>
#include <sluice/task.hpp>

#include <coroutine>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

namespace sluice::detail {

template <class T>
struct flat_result {
  using type = result<T>;
};
template <class T>
struct flat_result<result<T>> {
  using type = result<T>;
};
/// result<T>; for a T that is a result already, T.
template <class T>
using flat_result_t = typename flat_result<T>::type;

template <class T>
decltype(auto) take_from(std::coroutine_handle<> task) {
  return std::coroutine_handle<task_promise<T>>::from_address(task.address()).promise().take();
}

/// Gives a result; of a stopped task, an error with the cause.
template <class T>
class [[nodiscard]] result_op final : public boundary {
 public:
  using boundary::boundary;
  ~result_op() = default;
  flat_result_t<T> await_resume() {
    if (end()) return error(cause(), "stopped");
    if constexpr (std::is_void_v<T>) {
      take_from<T>(child);
      return {};
    } else {
      return take_from<T>(child);
    }
  }
};

/// Gives what the task returned: for a kind that is never stopped where it does not pass the stop on.
template <class T>
class [[nodiscard]] value_op final : public boundary {
 public:
  using boundary::boundary;
  ~value_op() = default;
  T await_resume() {
    if (end()) throw stopped_error(cause());
    return take_from<T>(child);
  }
};

/// How a task ended, all three ways kept.
template <class T>
class outcome {
 public:
  explicit outcome(std::error_code stopped_by) noexcept : stopped_by_(stopped_by) {}
  explicit outcome(std::exception_ptr e) noexcept : exception_(std::move(e)) {}
  outcome(std::in_place_t, T&& value) : value_(std::forward<T>(value)) {}

  bool is_stopped() const noexcept { return !value_ && !exception_; }
  const std::exception_ptr& exception() const noexcept { return exception_; }
  T take() {
    if (exception_) std::rethrow_exception(std::move(exception_));
    if (!value_) throw stopped_error(stopped_by_);
    return *std::move(value_);
  }

 private:
  std::optional<T> value_;
  std::exception_ptr exception_;
  std::error_code stopped_by_;
};
template <>
class outcome<void> {
 public:
  outcome() noexcept : ended_(true) {}
  explicit outcome(std::error_code stopped_by) noexcept : stopped_by_(stopped_by) {}
  explicit outcome(std::exception_ptr e) noexcept : exception_(std::move(e)) {}

  bool is_stopped() const noexcept { return !ended_ && !exception_; }
  const std::exception_ptr& exception() const noexcept { return exception_; }
  void take() {
    if (exception_) std::rethrow_exception(std::move(exception_));
    if (!ended_) throw stopped_error(stopped_by_);
  }

 private:
  bool ended_ = false;
  std::exception_ptr exception_;
  std::error_code stopped_by_;
};

template <class T>
class [[nodiscard]] outcome_op final : public boundary {
 public:
  using boundary::boundary;
  ~outcome_op() = default;
  outcome<T> await_resume() {
    if (end()) return outcome<T>(cause());
    try {
      if constexpr (std::is_void_v<T>) {
        take_from<T>(child);
        return outcome<T>();
      } else {
        return outcome<T>(std::in_place, take_from<T>(child));
      }
    } catch (...) {
      return outcome<T>(std::current_exception());
    }
  }
};

// ---- where a boundary's context comes from, when it is awaited

struct no_context {
  context_ref operator()() const noexcept { return {}; }
};
class given_context {  // no aggregate: g++ 12 destroys those twice in expressions that await
 public:
  explicit given_context(context_ref c) noexcept : context_(std::move(c)) {}
  context_ref operator()() noexcept { return std::move(context_); }

 private:
  context_ref context_;
};
/// Taken from an owner: whoever enters it cancels it; never entered, it is cancelled here.
class surrendered_context {
 public:
  explicit surrendered_context(context_ref c) noexcept : context_(std::move(c)) {}
  surrendered_context(surrendered_context&&) noexcept = default;
  surrendered_context& operator=(surrendered_context&&) = delete;
  ~surrendered_context() { cancel(context_.get(), {}); }
  context_ref operator()() noexcept { return std::move(context_); }

 private:
  context_ref context_;
};
struct timeout_context {
  SLUICE_EXPORT context_ref operator()() const;
  duration d;
};
struct deadline_context {
  SLUICE_EXPORT context_ref operator()() const;
  time_point until;
};
/// Keeps the values of `of`, and is not cancelled with it.
SLUICE_EXPORT context_ref shield_of(const context_ref& of);
struct shielded_context {
  context_ref operator()() const { return shield_of(current_context()); }
};

inline constexpr boundary_kind enters_kind{.enters = true};
inline constexpr boundary_kind owning_kind{.enters = true, .cancels = true};
inline constexpr boundary_kind shield_kind{.enters = true, .shields = true};
inline constexpr boundary_kind catch_kind{.catches = true};

/// What with_timeout(...) and the others return: owns a task that has not begun, until it is awaited.
template <class Op, class T, class Context>
class [[nodiscard("co_await it")]] boundary_call {
 public:
  boundary_call(owned_frame<T> task, const boundary_kind& k, Context c) noexcept
      : task_(std::move(task)), kind_(&k), context_(std::move(c)) {}
  boundary_call(const boundary_call&) = delete;  // co_await with_timeout(...) in one expression
  boundary_call& operator=(const boundary_call&) = delete;
  ~boundary_call() = default;

  Op await_in(await_site site) && {
    context_ref context = context_();
    return Op(site, task_.release(), *kind_, std::move(context));
  }

 private:
  owned_frame<T> task_;
  const boundary_kind* kind_;
  Context context_;
};

template <class Op, class T, class Context>
inline constexpr bool is_boundary_call<boundary_call<Op, T, Context>> = true;

template <template <class> class Op, class T, class Context>
boundary_call<Op<T>, T, Context> bound(owned_frame<T> task, const boundary_kind& k, Context c) {
  return boundary_call<Op<T>, T, Context>(std::move(task), k, std::move(c));
}

}  // namespace sluice::detail
