// SPDX-License-Identifier: MIT
// result<T>: a T, or the error that came instead of it.
//
// The interface is that of C++23's std::expected<T, sluice::error>, which Debian 12's compiler does
// not have; an error needs no std::unexpected around it: `return error(...)`. Not constexpr: an
// error owns memory.
#pragma once

#include <sluice/config.hpp>
#include <sluice/detail/base/assert.hpp>
#include <sluice/error.hpp>

#include <concepts>
#include <initializer_list>
#include <new>
#include <type_traits>
#include <utility>

namespace sluice {

template <class T>
class result;

namespace detail {

template <class T>
inline constexpr bool is_result = false;
template <class T>
inline constexpr bool is_result<result<T>> = true;

/// What f(args...) gives, without reference: and_then and its like take callables only.
template <class F, class... Args>
using called = std::remove_cvref_t<decltype(std::declval<F>()(std::declval<Args>()...))>;

template <class F, class... Args>
concept gives_result = is_result<called<F, Args...>>;

template <class T>
concept result_value = std::is_void_v<T> || (std::is_object_v<T> && !std::is_array_v<T> &&
                                             std::same_as<T, std::remove_cv_t<T>> &&
                                             std::destructible<T> && !std::same_as<T, error>);

/// What a result<T> can be made from beside a result or an error.
template <class U, class T>
concept result_source =
    std::constructible_from<T, U> && !std::same_as<std::remove_cvref_t<U>, error> &&
    !std::same_as<std::remove_cvref_t<U>, std::in_place_t> && !is_result<std::remove_cvref_t<U>>;

}  // namespace detail

/// A value or an error; tested as a bool, dereferenced as a pointer.
/// T: any object type, movable or not; not a reference, an array, an error or a result (two layers
/// of errors are one). Assignment and emplace() need a T whose move, or making, cannot throw: there
/// is always a value or an error.
/// Errors: `*r` and `r->` without a value, and `error()` with one, are checked in debug builds;
/// `value()` throws result_error.
/// Cost: an error is 40 bytes; sizeof(result<int>) == 48.
template <class T>
class [[nodiscard]] result {
  static_assert(!detail::is_result<T>, "result<result<T>>: two layers of errors are one");
  static_assert(detail::result_value<T>,
                "result<T>: T is an object type other than an error, without const, or void");

 public:
  using value_type = T;
  using error_type = sluice::error;

  result() noexcept(std::is_nothrow_default_constructible_v<T>)
    requires std::default_initializable<T>
      : value_(), has_(true) {}

  template <class U = T>
    requires detail::result_source<U, T>
  explicit(!std::convertible_to<U, T>)
      result(U&& value) noexcept(std::is_nothrow_constructible_v<T, U>)
      : value_(std::forward<U>(value)), has_(true) {}

  template <class... Args>
    requires std::constructible_from<T, Args...>
  explicit result(std::in_place_t,
                  Args&&... args) noexcept(std::is_nothrow_constructible_v<T, Args...>)
      : value_(std::forward<Args>(args)...), has_(true) {}

  result(sluice::error e) noexcept : error_(std::move(e)), has_(false) {}

  result(const result& other)
    requires std::copy_constructible<T>
  {
    construct(other);
  }
  result(result&& other) noexcept(std::is_nothrow_move_constructible_v<T>)
    requires std::move_constructible<T>
  {
    construct(std::move(other));
  }
  template <class U>
    requires(!std::same_as<U, T> && !std::is_void_v<U> && std::convertible_to<U, T>)
  result(result<U> other) : has_(other.has_value()) {
    if (has_) {
      ::new (static_cast<void*>(&value_)) T(*std::move(other));
    } else {
      ::new (static_cast<void*>(&error_)) sluice::error(std::move(other).error());
    }
  }

  result& operator=(const result& other)
    requires(std::copyable<T> && std::is_nothrow_move_constructible_v<T>)
  {
    if (has_ && other.has_) {
      value_ = other.value_;
    } else if (this != &other) {
      replace(result(other));
    }
    return *this;
  }
  result& operator=(result&& other) noexcept(std::is_nothrow_move_assignable_v<T>)
    requires(std::movable<T> && std::is_nothrow_move_constructible_v<T>)
  {
    if (has_ && other.has_) {
      value_ = std::move(other.value_);
    } else if (this != &other) {
      replace(std::move(other));
    }
    return *this;
  }

  ~result() { destroy(); }

  /// Replaces what is held; needs a T that is made without throwing.
  template <class... Args>
    requires std::is_nothrow_constructible_v<T, Args...>
  T& emplace(Args&&... args) noexcept {
    destroy();
    ::new (static_cast<void*>(&value_)) T(std::forward<Args>(args)...);
    has_ = true;
    return value_;
  }

  bool has_value() const noexcept { return has_; }
  explicit operator bool() const noexcept { return has_; }

  T& operator*() & noexcept { return check_value(), value_; }
  const T& operator*() const& noexcept { return check_value(), value_; }
  T&& operator*() && noexcept { return check_value(), std::move(value_); }
  const T&& operator*() const&& noexcept { return check_value(), std::move(value_); }
  T* operator->() noexcept { return check_value(), &value_; }
  const T* operator->() const noexcept { return check_value(), &value_; }

  /// The value.
  /// Errors: throws result_error, a std::system_error whose what() is error().message().
  T& value() & { return need_value(), value_; }
  const T& value() const& { return need_value(), value_; }
  T&& value() && { return need_value(), std::move(value_); }
  const T&& value() const&& { return need_value(), std::move(value_); }

  sluice::error& error() & noexcept { return check_error(), error_; }
  const sluice::error& error() const& noexcept { return check_error(), error_; }
  sluice::error&& error() && noexcept { return check_error(), std::move(error_); }
  const sluice::error&& error() const&& noexcept { return check_error(), std::move(error_); }

  /// The value, or `other` converted.
  template <class U>
  T value_or(U&& other) const& {
    return has_ ? value_ : static_cast<T>(std::forward<U>(other));
  }
  template <class U>
  T value_or(U&& other) && {
    return has_ ? std::move(value_) : static_cast<T>(std::forward<U>(other));
  }

  /// With a value: f(value), itself a result. Else the error.
  template <class F>
    requires detail::gives_result<F, T&>
  auto and_then(F&& f) & {
    return and_then_of(*this, std::forward<F>(f));
  }
  template <class F>
    requires detail::gives_result<F, const T&>
  auto and_then(F&& f) const& {
    return and_then_of(*this, std::forward<F>(f));
  }
  template <class F>
    requires detail::gives_result<F, T>
  auto and_then(F&& f) && {
    return and_then_of(std::move(*this), std::forward<F>(f));
  }

  /// With a value: a result that holds f(value), or nothing if that is void. Else the error.
  template <class F>
  auto transform(F&& f) & {
    return transform_of(*this, std::forward<F>(f));
  }
  template <class F>
  auto transform(F&& f) const& {
    return transform_of(*this, std::forward<F>(f));
  }
  template <class F>
  auto transform(F&& f) && {
    return transform_of(std::move(*this), std::forward<F>(f));
  }

  /// With an error: f(error), a result<T>. Else the value.
  template <class F>
    requires std::same_as<detail::called<F, const sluice::error&>, result>
  result or_else(F&& f) const& {
    return has_ ? result(*this) : std::forward<F>(f)(error_);
  }
  template <class F>
    requires std::same_as<detail::called<F, sluice::error>, result>
  result or_else(F&& f) && {
    return has_ ? result(std::move(*this)) : std::forward<F>(f)(std::move(error_));
  }

  /// Equal when there is a value, and it equals `other`.
  friend bool operator==(const result& r, const T& other)
    requires requires(const T& v) {
      { v == v } -> std::convertible_to<bool>;
    }
  {
    return r.has_ && r.value_ == other;
  }

 private:
  template <class R>
  void construct(R&& other) {
    has_ = other.has_;
    if (has_) {
      ::new (static_cast<void*>(&value_)) T(std::forward<R>(other).value_);
    } else {
      ::new (static_cast<void*>(&error_)) sluice::error(std::forward<R>(other).error_);
    }
  }
  void destroy() noexcept {
    if (has_) {
      value_.~T();
    } else {
      error_.~error_type();
    }
  }
  /// Takes what `other` holds, one of the two being an error.
  void replace(result&& other) noexcept {
    destroy();
    construct(std::move(other));
  }
  void check_value() const noexcept { SLUICE_DASSERT(has_, "result: value read of an error"); }
  void check_error() const noexcept { SLUICE_DASSERT(!has_, "result: error read of a value"); }
  void need_value() const {
    if (!has_) detail::throw_result_error(error_);
  }

  template <class Self, class F>
  static auto and_then_of(Self&& self, F&& f) {
    using next = detail::called<F, decltype(*std::forward<Self>(self))>;
    return self.has_ ? next(std::forward<F>(f)(*std::forward<Self>(self)))
                     : next(std::forward<Self>(self).error());
  }
  template <class Self, class F>
  static auto transform_of(Self&& self, F&& f) {
    using value = std::remove_cv_t<detail::called<F, decltype(*std::forward<Self>(self))>>;
    if (!self.has_) return result<value>(std::forward<Self>(self).error());
    if constexpr (std::is_void_v<value>) {
      std::forward<F>(f)(*std::forward<Self>(self));
      return result<value>();
    } else {
      return result<value>(std::in_place, std::forward<F>(f)(*std::forward<Self>(self)));
    }
  }

  union {
    T value_;
    sluice::error error_;
  };
  bool has_;
};

/// Success, or an error: what an operation reports that gives nothing else.
template <>
class [[nodiscard]] result<void> {
 public:
  using value_type = void;
  using error_type = sluice::error;

  result() noexcept : none_(), has_(true) {}
  explicit result(std::in_place_t) noexcept : result() {}
  result(sluice::error e) noexcept : error_(std::move(e)), has_(false) {}
  result(const result& other) : result() {
    if (!other.has_) set(sluice::error(other.error_));
  }
  result(result&& other) noexcept : result() {
    if (!other.has_) set(std::move(other.error_));
  }
  result& operator=(const result& other) {
    if (this != &other) *this = result(other);
    return *this;
  }
  result& operator=(result&& other) noexcept {
    if (this == &other) return *this;
    if (other.has_) {
      emplace();
    } else if (has_) {
      set(std::move(other.error_));
    } else {
      error_ = std::move(other.error_);
    }
    return *this;
  }
  ~result() {
    if (!has_) error_.~error_type();
  }

  void emplace() noexcept {
    if (!has_) error_.~error_type();
    has_ = true;
  }

  bool has_value() const noexcept { return has_; }
  explicit operator bool() const noexcept { return has_; }

  void operator*() const noexcept { SLUICE_DASSERT(has_, "result: value read of an error"); }
  /// Errors: throws result_error (a std::system_error) whose what() is error().message().
  void value() const {
    if (!has_) detail::throw_result_error(error_);
  }

  sluice::error& error() & noexcept { return check_error(), error_; }
  const sluice::error& error() const& noexcept { return check_error(), error_; }
  sluice::error&& error() && noexcept { return check_error(), std::move(error_); }

  /// On success: f(), itself a result. Else the error.
  template <class F>
    requires detail::gives_result<F>
  auto and_then(F&& f) const& {
    using next = detail::called<F>;
    return has_ ? next(std::forward<F>(f)()) : next(error_);
  }
  template <class F>
    requires detail::gives_result<F>
  auto and_then(F&& f) && {
    using next = detail::called<F>;
    return has_ ? next(std::forward<F>(f)()) : next(std::move(error_));
  }

  /// On success: a result that holds f(), or nothing if that is void. Else the error.
  template <class F>
  auto transform(F&& f) const& {
    return transform_of(*this, std::forward<F>(f));
  }
  template <class F>
  auto transform(F&& f) && {
    return transform_of(std::move(*this), std::forward<F>(f));
  }

  /// On failure: f(error), a result<void>. Else success.
  template <class F>
    requires std::same_as<detail::called<F, const sluice::error&>, result>
  result or_else(F&& f) const& {
    return has_ ? result() : std::forward<F>(f)(error_);
  }
  template <class F>
    requires std::same_as<detail::called<F, sluice::error>, result>
  result or_else(F&& f) && {
    return has_ ? result() : std::forward<F>(f)(std::move(error_));
  }

 private:
  void set(sluice::error&& e) noexcept {
    ::new (static_cast<void*>(&error_)) sluice::error(std::move(e));
    has_ = false;
  }
  void check_error() const noexcept { SLUICE_DASSERT(!has_, "result: error read of a value"); }

  template <class Self, class F>
  static auto transform_of(Self&& self, F&& f) {
    using value = detail::called<F>;
    if (!self.has_) return result<value>(std::forward<Self>(self).error());
    if constexpr (std::is_void_v<value>) {
      std::forward<F>(f)();
      return result<value>();
    } else {
      return result<value>(std::in_place, std::forward<F>(f)());
    }
  }

  union {
    char none_;
    sluice::error error_;
  };
  bool has_;
};

}  // namespace sluice
