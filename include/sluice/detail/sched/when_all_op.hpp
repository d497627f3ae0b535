// SPDX-License-Identifier: MIT
// The forks of when_all: over tasks that were made already, and over a range of indices.
#pragma once

#include <sluice/detail/sched/fork.hpp>
#include <sluice/detail/sched/start_routine.hpp>
#include <sluice/task.hpp>

#include <concepts>
#include <coroutine>
#include <cstddef>
#include <memory>
#include <new>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace sluice::detail {

// ---- tasks

template <class T>
using result_tuple = std::conditional_t<std::is_void_v<T>, std::tuple<>, std::tuple<T>>;

template <class... T>
struct when_all_results {
  using type = decltype(std::tuple_cat(std::declval<result_tuple<T>>()...));
};
template <class... T>
  requires(std::is_void_v<T> && ...)
struct when_all_results<T...> {
  using type = void;
};

/// A fork over tasks that were made before it.
template <class... T>
class task_fork : public fork {
 protected:
  task_fork(await_site s, const fork_kind& k,
            std::coroutine_handle<task_promise<T>>... frames) noexcept
      : fork(s, k, children_, sizeof...(T)), children_{fork_child(frames, *this, kind_of<T>)...} {}
  ~task_fork() {
    for (fork_child& c : children_) {
      if (c.child) c.child.destroy();
    }
  }

  static fork_child* give(fork& self) noexcept {
    auto& op = static_cast<task_fork&>(self);
    return &op.children_[--op.last_];
  }
  static fork_child* detach(fork&, fork_child& running) { return &running; }

  fork_child children_[sizeof...(T)];
};

/// The await of when_all(tasks...).
template <class... T>
class [[nodiscard]] when_all_op final : public task_fork<T...> {
  using result = typename when_all_results<T...>::type;
  using base = task_fork<T...>;

 public:
  when_all_op(await_site s, std::coroutine_handle<task_promise<T>>... frames) noexcept
      : base(s, forks_tasks, frames...) {}
  ~when_all_op() = default;

  result await_resume() {
    this->rethrow();
    return take(std::index_sequence_for<T...>());
  }

 private:
  template <class U>
  static result_tuple<U> take_one(std::coroutine_handle<> frame) {
    auto& promise = std::coroutine_handle<task_promise<U>>::from_address(frame.address()).promise();
    if constexpr (std::is_void_v<U>) {
      return {};
    } else {
      return result_tuple<U>(promise.take());
    }
  }
  template <std::size_t... I>
  result take(std::index_sequence<I...>) {
    if constexpr (!std::is_void_v<result>) {
      return std::tuple_cat(take_one<T>(this->children_[I].child)...);
    }
  }

  static constexpr fork_kind forks_tasks{nullptr, base::give, base::detach, nullptr, nullptr};
};

/// What when_all(tasks...) and race(tasks...) return: owns the frames, which have not begun, until it is
/// awaited.
template <class Op, class... T>
class [[nodiscard("co_await it")]] fork_call {
 public:
  explicit fork_call(std::coroutine_handle<task_promise<T>>... frames) noexcept
      : frames_(frames...) {}
  fork_call(const fork_call&) = delete;  // co_await when_all(...) in one expression
  fork_call& operator=(const fork_call&) = delete;
  ~fork_call() {
    if (!owns_) return;
    std::apply([](auto... frame) { (frame.destroy(), ...); }, frames_);
  }

  Op await_in(await_site site) && noexcept {
    owns_ = false;
    return std::apply([site](auto... frame) { return Op(site, frame...); }, frames_);
  }

 private:
  std::tuple<std::coroutine_handle<task_promise<T>>...> frames_;
  bool owns_ = true;
};

template <class Op, class... T>
inline constexpr bool is_fork_call<fork_call<Op, T...>> = true;
template <class... T>
using when_all_call = fork_call<when_all_op<T...>, T...>;

// ---- a range of indices

template <class T>
struct task_value {};
template <class T>
struct task_value<task<T>> {
  using type = T;
};
template <class F>
using indexed_value_t = typename task_value<std::invoke_result_t<const F&, std::size_t>>::type;

template <class F>
concept indexed_task = std::invocable<const F&, std::size_t> &&
                       is_task_type<std::invoke_result_t<const F&, std::size_t>>;

/// Where the results of a range are put, by index, from several workers at a time.
template <class T>
class range_results {
  static_assert(
      std::default_initializable<T> && std::movable<T>,
      "when_all: results of a range are kept in a vector: T is default-constructible and movable");

 public:
  explicit range_results(std::size_t n) : results_(n) {}
  T* data() noexcept { return results_.data(); }
  std::vector<T> take() && noexcept { return std::move(results_); }

 private:
  std::vector<T> results_;
};
template <>
class range_results<bool> {  // a vector<bool> has several results in a byte
 public:
  explicit range_results(std::size_t n) : results_(new bool[n]()), n_(n) {}
  bool* data() noexcept { return results_.get(); }
  std::vector<bool> take() && { return std::vector<bool>(data(), data() + n_); }

 private:
  std::unique_ptr<bool[]> results_;
  std::size_t n_;
};

template <class T>
struct range_result {
  using type = std::vector<T>;
};
template <>
struct range_result<void> {
  using type = void;
};
template <class F>
using range_result_t = typename range_result<indexed_value_t<F>>::type;

template <class F>
class range_op;

/// What the await of a range is made with.
template <class F>
class range_call {
  using value = indexed_value_t<F>;

 public:
  range_call(const F& f, value* results, std::size_t first, std::size_t last) noexcept
      : f_(&f), results_(results), first_(first), last_(last) {}
  range_op<F> await_in(await_site site) && noexcept {
    return range_op<F>(site, *f_, results_, first_, last_);
  }

 private:
  const F* f_;
  value* results_;
  std::size_t first_;
  std::size_t last_;
};

template <class F>
inline constexpr bool is_fork_call<range_call<F>> = true;

/// A share of a range that another worker may take.
template <class F>
task<> range_share(const F* f, indexed_value_t<F>* results, std::size_t first, std::size_t last) {
  co_await range_call<F>(*f, results, first, last);
}

/// The await of the range [first, last): frames are made one at a time.
template <class F>
class [[nodiscard]] range_op final : public fork {
  using value = indexed_value_t<F>;

  struct place : fork_child {
    using fork_child::fork_child;
    value* result = nullptr;  // null: a share, or there are no results
  };

 public:
  range_op(await_site s, const F& f, value* results, std::size_t first, std::size_t last) noexcept
      : fork(s, forks_range, nullptr, last - first),
        f_(&f),
        results_(results),
        first_(first),
        current_(nullptr, *this, kind_of<value>) {}
  ~range_op() {
    if (current_.child) current_.child.destroy();
  }
  void await_resume() { rethrow(); }

 private:
  static range_op& of(fork& self) noexcept { return static_cast<range_op&>(self); }

  value* result_of(std::size_t i) const noexcept {
    if constexpr (std::is_void_v<value>) {
      return nullptr;
    } else {
      return results_ + first_ + i;
    }
  }

  static fork_child* begin(fork& self, std::size_t i) noexcept {
    range_op& op = of(self);
    try {
      task<value> made = (*op.f_)(op.first_ + i);
      op.current_.child = release_frame(made);
    } catch (...) {
      op.fail(std::current_exception());
      return nullptr;
    }
    op.current_.result = op.result_of(i);
    return &op.current_;
  }

  static place* make_place(range_op& op, const result_kind& k) {
    return ::new (frame_allocate(sizeof(place))) place(nullptr, op, k);
  }

  static fork_child* give(fork& self) noexcept {
    range_op& op = of(self);
    const std::size_t from = op.next_ + (op.last_ - op.next_) / 2;
    place* p = nullptr;
    try {
      p = make_place(op, kind_of<void>);
      task<> share = range_share<F>(op.f_, op.results_, op.first_ + from, op.first_ + op.last_);
      p->child = release_frame(share);
    } catch (...) {
      if (p != nullptr) drop(*p);
      return nullptr;
    }
    op.last_ = from;
    return p;
  }

  static fork_child* detach(fork& self, fork_child& running) {
    range_op& op = of(self);
    place* p = make_place(op, *running.kind);
    p->result = op.current_.result;
    p->child = std::exchange(running.child, nullptr);
    return p;
  }

  static void take(fork&, fork_child& c) {
    if constexpr (!std::is_void_v<value>) {
      if (value* result = static_cast<place&>(c).result) {
        *result = std::coroutine_handle<task_promise<value>>::from_address(c.child.address())
                      .promise()
                      .take();
      }
    }
    std::exchange(c.child, nullptr).destroy();
  }

  static void drop(fork_child& c) noexcept {
    auto& p = static_cast<place&>(c);
    if (p.child) p.child.destroy();
    p.~place();
    frame_free(&p, sizeof(place));
  }

  static constexpr fork_kind forks_range{begin, give, detach, take, drop};

  const F* f_;
  value* results_;
  std::size_t first_;
  place current_;
};

}  // namespace sluice::detail
