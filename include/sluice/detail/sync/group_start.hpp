// SPDX-License-Identifier: MIT
// Starting the routines of a group. Unlike those of `go` they may borrow: the group outlives them.
#pragma once

#include <sluice/detail/sched/start_routine.hpp>
#include <sluice/detail/sync/group_core.hpp>
#include <sluice/result.hpp>
#include <sluice/task.hpp>

#include <coroutine>
#include <exception>
#include <source_location>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>

namespace sluice::detail {

/// Tells the group if what a routine, or the body, has returned is a failure.
template <class T>
void note_value(group_core& g, T&& value) {
  using type = std::remove_cvref_t<T>;
  if constexpr (is_result<type>) {
    if (!value) g.fail(std::forward<T>(value).error());
  } else if constexpr (std::is_same_v<type, std::error_code>) {
    if (value) g.fail(error(value));
  }
}

template <class T>
void note_end(group_core& g, const routine& r, std::coroutine_handle<> root) noexcept {
  if (!root) return g.lose();
  try {
    auto& promise = std::coroutine_handle<task_promise<T>>::from_address(root.address()).promise();
    if constexpr (std::is_void_v<T>) {
      promise.take();
    } else {
      note_value(g, promise.take());
    }
  } catch (...) {
    g.fail(&r, std::current_exception());
  }
}
template <class T>
void report_to_group(const routine& r, std::coroutine_handle<> root, start_box& box) noexcept {
  auto& g = static_cast<group_core&>(*box.group);
  note_end<T>(g, r, root);
  g.report_ends();
}
template <class T>
inline constexpr result_kind group_kind_of{exception_of<T>, report_to_group<T>};

/// Makes a task of a plain function.
template <class F>
struct plain_call {
  template <class... A>
  task<call_result<F&, A...>> operator()(A&&... a) {
    return run(*this, std::forward<A>(a)...);
  }
  template <class... A>
  static task<call_result<F&, A...>> run(plain_call& self, A&&... a) {
    co_return detail::call(self.f, std::forward<A>(a)...);
  }
  F f;
};

template <class F, class... A>
routine_ref start_boxed(group_core& g, const spawn_site& where, F&& f, A&&... a) {
  using callee = std::decay_t<F>;
  using result = call_result<callee&, std::decay_t<A>...>;
  using T = typename result::value_type;
  static_assert(alignof(task_promise<T>) <= 16,
                "errgroup: keep results aligned beyond 16 bytes behind a pointer");
  using box = box_of<callee, std::decay_t<A>...>;
  box_guard owned(make_box(std::forward<F>(f), std::forward<A>(a)...));
  owned.box->group = &g;
  auto& kept = *static_cast<box*>(owned.box);
  auto made = [&](auto&... args) -> result { return detail::call(kept.f, std::move(args)...); };
  return std::apply(
      [&](auto&... args) {
        task<T> t = made(args...);
        return spawn(start{release_frame(t).promise().frame(), &group_kind_of<T>,
                           std::exchange(owned.box, nullptr)},
                     where);
      },
      kept.a);
}

/// Starts f(args...) as a routine of the group, which has admitted it: in the group's context.
template <class F, class... A>
void start_in_group(group_core& g, bool admitted, spawn_site where, F&& f, A&&... a) {
  using callee = std::decay_t<F>;
  const bool queued = g.is_limited() && !admitted;
  where.context = &g.context();
  where.hold = queued;
  try {
    routine_ref r;
    if constexpr (is_task_type<call_result<callee, std::decay_t<A>...>>) {
      r = start_boxed(g, where, std::forward<F>(f), std::forward<A>(a)...);
    } else {
      r = start_boxed(g, where, plain_call<callee>{std::forward<F>(f)}, std::forward<A>(a)...);
    }
    if (queued) g.enqueue(*r.get());
  } catch (...) {
    g.dismiss(admitted);
    throw;
  }
}

}  // namespace sluice::detail
