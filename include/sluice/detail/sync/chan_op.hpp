// SPDX-License-Identifier: MIT
// The typed half of channel operations: they hold and move values; chan_wait waits.
#pragma once

#include <sluice/detail/sched/op_call.hpp>
#include <sluice/detail/sync/chan_core.hpp>

#include <coroutine>
#include <memory>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>

namespace sluice::detail {

template <class T>
constexpr element_type make_element() noexcept {
  static_assert(std::is_object_v<T> && !std::is_const_v<T>, "chan<T>: T is an object type");
  static_assert(
      std::is_nothrow_move_constructible_v<T> && std::is_nothrow_destructible_v<T>,
      "chan<T>: T must be nothrow movable, for values pass between routines under a lock; "
      "send a std::unique_ptr<T> instead");
  element_type e{sizeof(T), alignof(T), nullptr, nullptr};
  if constexpr (!std::is_trivially_copyable_v<T>) {
    e.move = [](void* to, void* from) noexcept { ::new (to) T(std::move(*static_cast<T*>(from))); };
  }
  if constexpr (!std::is_trivially_destructible_v<T>) {
    e.destroy = [](void* at) noexcept { static_cast<T*>(at)->~T(); };
  }
  return e;
}

template <class T>
inline constexpr element_type element_of = make_element<T>();

/// g++ 12 destroys an aggregate temporary with a non-trivial destructor twice when it stands in an
/// expression that awaits (GCC PR107288).
template <class T>
consteval void check_send_argument() {
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ <= 12
  static_assert(!std::is_aggregate_v<T> || std::is_trivially_destructible_v<T>,
                "chan<T>::send(T&&): g++ 12 would destroy an aggregate temporary twice (GCC "
                "PR107288): write c.emplace(args...), or give T a constructor");
#endif
}

/// Room for a value that a partner constructs.
template <class T>
union value_room {
  value_room() noexcept {}
  ~value_room() {}
  T value;
};

template <class T>
class recv_op final : public chan_wait {
 public:
  recv_op(await_site s, chan_core* c) noexcept : chan_wait(s, c, recv_kind) {
    slot = std::addressof(room_.value);
  }
  ~recv_op() {
    if (outcome == chan_outcome::done) room_.value.~T();
  }
  bool await_suspend(std::coroutine_handle<> frame) noexcept { return recv(frame); }
  std::optional<T> await_resume() noexcept {
    if (outcome != chan_outcome::done) return std::nullopt;
    return std::optional<T>(std::move(room_.value));
  }

 private:
  value_room<T> room_;
};

/// Sends a value that the caller holds.
template <class T>
class send_op final : public chan_wait {
 public:
  send_op(await_site s, chan_core* c, T* value) noexcept : chan_wait(s, c, send_kind) {
    slot = value;
  }
  ~send_op() = default;
  bool await_suspend(std::coroutine_handle<> frame) { return send(frame); }
  bool await_resume() const {
    if (outcome == chan_outcome::closed) throw_send_on_closed();
    return outcome == chan_outcome::done;
  }
};

/// Sends a value of its own, made of the arguments that the call refers to.
template <class T, class... A>
class send_value_op final : public chan_wait {
 public:
  send_value_op(await_site s, chan_core* c, std::remove_reference_t<A>*... args)
      : chan_wait(s, c, send_kind), value_(static_cast<A&&>(*args)...) {
    slot = std::addressof(value_);
  }
  ~send_value_op() = default;
  bool await_suspend(std::coroutine_handle<> frame) { return send(frame); }
  bool await_resume() const {
    if (outcome == chan_outcome::closed) throw_send_on_closed();
    return outcome == chan_outcome::done;
  }

 private:
  T value_;
};

template <class T>
using recv_call = op_call<recv_op<T>, chan_core*>;
template <class T>
using send_call = op_call<send_op<T>, chan_core*, T*>;
template <class T, class... A>
using emplace_call = op_call<send_value_op<T, A...>, chan_core*, std::remove_reference_t<A>*...>;

SLUICE_EXPORT bool sent(try_outcome o);  // panics if closed

template <class T>
bool try_send_to(chan_core* c, T& value) {
  return c != nullptr && sent(c->try_send(std::addressof(value)));
}

template <class T>
std::optional<T> try_recv_from(chan_core* c) noexcept {
  if (c == nullptr) return std::nullopt;
  value_room<T> room;
  if (c->try_recv(std::addressof(room.value)) != try_outcome::done) return std::nullopt;
  std::optional<T> out(std::move(room.value));
  room.value.~T();
  return out;
}

}  // namespace sluice::detail
