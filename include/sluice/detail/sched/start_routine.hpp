// SPDX-License-Identifier: MIT
// From a callable and its arguments to the root frame of a routine.
//
// Where the callable keeps no state and takes its parameters by value, as they are passed, the coroutine's
// own frame owns all: one allocation. Otherwise a box beside the frame owns the closure and the arguments,
// so that capturing lambdas, and what `const T&` parameters and views refer to, live as long as the routine.
#pragma once

#include <sluice/detail/coro/frame_alloc.hpp>
#include <sluice/detail/sched/spawn.hpp>
#include <sluice/task.hpp>

#include <concepts>
#include <cstddef>
#include <exception>
#include <memory>
#include <new>
#include <source_location>
#include <span>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

namespace sluice {

/// Says that a reference handed to `go` outlives the routine: the escape from its rule that
/// arguments are values. `go(f, unsafe_ref(x))` calls f(x) with the caller's own x.
/// Lifetime: x must outlive the routine; nothing checks it.
template <class T>
class unsafe_ref {
 public:
  explicit unsafe_ref(T& x) noexcept : x_(&x) {}
  operator T&() const noexcept { return *x_; }

 private:
  T* x_;
};

namespace detail {

/// What std::reference_wrapper is, without <functional>: a wrapper that converts to what it refers to.
template <class W>
concept reference_wrapper_like = std::is_trivially_copyable_v<W> && requires(const W& w) {
  typename W::type;
  { w.get() } -> std::same_as<typename W::type&>;
} && std::convertible_to<const W&, typename W::type&>;

template <class T>
inline constexpr bool is_borrowed = reference_wrapper_like<T>;
template <class C, class Tr>
inline constexpr bool is_borrowed<std::basic_string_view<C, Tr>> = true;
template <class T, std::size_t N>
inline constexpr bool is_borrowed<std::span<T, N>> = true;

template <class T>
inline constexpr bool is_task_type = false;
template <class T>
inline constexpr bool is_task_type<task<T>> = true;

/// (object.*f)(a...), where `object` may be a pointer, plain or smart.
template <class F, class O, class... A>
constexpr decltype(auto) call_member(F f, O&& object, A&&... a) {
  if constexpr (requires { (std::forward<O>(object).*f)(std::forward<A>(a)...); }) {
    return (std::forward<O>(object).*f)(std::forward<A>(a)...);
  } else {
    return ((*std::forward<O>(object)).*f)(std::forward<A>(a)...);
  }
}

template <class F, class... A>
concept callable_with = std::is_invocable_v<F, A...>;

template <class F, class... A>
using call_result = std::invoke_result_t<F, A...>;

/// Calls as std::invoke does, without <functional>.
template <class F, class... A>
  requires callable_with<F, A...>
constexpr call_result<F, A...> call(F&& f, A&&... a) {
  if constexpr (std::is_member_function_pointer_v<std::decay_t<F>>) {
    return call_member(f, std::forward<A>(a)...);
  } else {
    return std::forward<F>(f)(std::forward<A>(a)...);
  }
}

/// Whether a parameter that is made of a copy of the argument outlives that copy: not a reference to it, nor an
/// object of another type, which may be a view of it. What is made of a number or a pointer refers to neither.
template <class P, class A>
inline constexpr bool outlives_argument =
    !std::is_reference_v<P> && (std::is_same_v<std::remove_cv_t<P>, A> || std::is_scalar_v<A>);

/// Whether that holds for each parameter, so that the coroutine's frame owns all.
/// Not known for overloaded or generic callables: these are boxed.
template <class Signature, class... A>
inline constexpr bool by_value = false;
template <class R, class... P, class... A>
  requires(sizeof...(P) == sizeof...(A))
inline constexpr bool by_value<R (*)(P...), A...> = (outlives_argument<P, A> && ...);
template <class R, class... P, class... A>
  requires(sizeof...(P) == sizeof...(A))
inline constexpr bool by_value<R (*)(P...) noexcept, A...> = (outlives_argument<P, A> && ...);
template <class C, class R, class... P, class... A>
  requires(sizeof...(P) == sizeof...(A))
inline constexpr bool by_value<R (C::*)(P...), A...> = (outlives_argument<P, A> && ...);
template <class C, class R, class... P, class... A>
  requires(sizeof...(P) == sizeof...(A))
inline constexpr bool by_value<R (C::*)(P...) const, A...> = (outlives_argument<P, A> && ...);
template <class C, class R, class... P, class... A>
  requires(sizeof...(P) == sizeof...(A))
inline constexpr bool by_value<R (C::*)(P...) noexcept, A...> = (outlives_argument<P, A> && ...);
template <class C, class R, class... P, class... A>
  requires(sizeof...(P) == sizeof...(A))
inline constexpr bool by_value<R (C::*)(P...) const noexcept, A...> =
    (outlives_argument<P, A> && ...);

template <class F, class... A>
consteval bool frame_owns_all() {
  if constexpr (std::is_pointer_v<F>) {
    return by_value<F, A...>;
  } else if constexpr (std::is_empty_v<F> && requires { &F::operator(); }) {
    return by_value<decltype(&F::operator()), A...>;
  } else {
    return false;
  }
}

template <class T>
std::exception_ptr exception_of(std::coroutine_handle<> root) noexcept {
  return std::coroutine_handle<task_promise<T>>::from_address(root.address()).promise().exception();
}
template <class T>
inline constexpr result_kind kind_of{exception_of<T>};

/// A plain function run as a routine.
template <class R, class F, class... A>
task<R> call_plain(F f, A... a) {
  co_return detail::call(std::move(f), std::move(a)...);
}

template <class F, class... A>
struct box_of final : start_box {
  template <class G, class... B>
  explicit box_of(G&& g, B&&... b)
      : start_box{&box_of::drop_box}, f(std::forward<G>(g)), a(std::forward<B>(b)...) {}

  static void drop_box(start_box* base) noexcept {
    auto* self = static_cast<box_of*>(base);
    self->~box_of();
    frame_free(self, sizeof(box_of));
  }

  F f;
  [[no_unique_address]] std::tuple<A...> a;
};

/// Frees a box unless the routine took it over.
struct box_guard {
  explicit box_guard(start_box* b) noexcept : box(b) {}
  box_guard(const box_guard&) = delete;
  box_guard& operator=(const box_guard&) = delete;
  ~box_guard() {
    if (box != nullptr) box->drop(box);
  }
  start_box* box;
};

template <class F, class... A>
start_box* make_box(F&& f, A&&... a) {
  using box = box_of<std::decay_t<F>, std::decay_t<A>...>;
  static_assert(alignof(box) <= 16, "go: keep arguments aligned beyond 16 bytes behind a pointer");
  void* memory = frame_allocate(sizeof(box));
  try {
    return ::new (memory) box(std::forward<F>(f), std::forward<A>(a)...);
  } catch (...) {
    frame_free(memory, sizeof(box));
    throw;
  }
}

template <class T>
routine_ref spawn_task(task<T>&& made, start_box* box, const spawn_site& where) {
  static_assert(alignof(task_promise<T>) <= 16,
                "go: keep results aligned beyond 16 bytes behind a pointer");
  const auto frame = release_frame(made);
  return spawn(start{frame.promise().frame(), &kind_of<T>, box}, where);
}

/// The T of the routine that go(f, args...) starts.
template <class R>
struct routine_value {
  using type = R;
};
template <class T>
struct routine_value<task<T>> {
  using type = T;
};

template <class F, class... A>
using routine_value_t =
    typename routine_value<call_result<std::decay_t<F>, std::decay_t<A>...>>::type;

template <class F, class... A>
concept startable = callable_with<std::decay_t<F>, std::decay_t<A>...>;
template <class F, class... A>
concept not_startable = !startable<F, A...> && !is_task_type<std::decay_t<F>>;

template <class F, class... A>
routine_ref start_routine(const spawn_site& where, F&& f, A&&... a) {
  using callee = std::decay_t<F>;
  using result = call_result<callee, std::decay_t<A>...>;
  static_assert((!is_borrowed<std::decay_t<A>> && ...),
                "go: arguments are values: pass a std::string for a string_view, a container for a "
                "span; a reference that outlives the routine is unsafe_ref(x)");
  if constexpr (!is_task_type<result>) {
    return spawn_task(
        call_plain<result, callee, std::decay_t<A>...>(std::forward<F>(f), std::forward<A>(a)...),
        nullptr, where);
  } else if constexpr (frame_owns_all<callee, std::decay_t<A>...>()) {
    return spawn_task(detail::call(std::forward<F>(f), std::decay_t<A>(std::forward<A>(a))...),
                      nullptr, where);
  } else {
    using box = box_of<callee, std::decay_t<A>...>;
    box_guard owned(make_box(std::forward<F>(f), std::forward<A>(a)...));
    auto& kept = *static_cast<box*>(owned.box);
    auto made = [&](auto&... args) -> result { return detail::call(kept.f, std::move(args)...); };
    return std::apply(
        [&](auto&... args) {
          return spawn_task(made(args...), std::exchange(owned.box, nullptr), where);
        },
        kept.a);
  }
}

}  // namespace detail
}  // namespace sluice
