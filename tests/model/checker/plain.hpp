// SPDX-License-Identifier: MIT
// A field that is not atomic, watched: an access that is not ordered after every conflicting one by
// happens-before is a data race and fails the execution. Used like a T; same size.
#pragma once

#include "model/checker/engine.hpp"

#include <concepts>
#include <type_traits>
#include <utility>

namespace model {

template <class T>
class plain {
 public:
  constexpr plain() noexcept : plain(T{}) {}
  constexpr plain(T value) noexcept : value_(value) {  // NOLINT: used like a T
    if (!std::is_constant_evaluated()) engine::plain_created(this);
  }
  plain(const plain& o) noexcept : plain(o.get()) {}
  plain& operator=(const plain& o) noexcept {
    set(o.get());
    return *this;
  }
  template <class U>
    requires(std::convertible_to<U, T> && !std::same_as<std::remove_cvref_t<U>, plain>)
  plain& operator=(U&& value) noexcept {
    set(static_cast<T>(std::forward<U>(value)));
    return *this;
  }

  T get() const noexcept {
    if (engine::on()) engine::plain_read(this);
    return value_;
  }
  void set(T value) noexcept {
    if (engine::on()) engine::plain_write(this);
    value_ = value;
  }

  operator T() const noexcept { return get(); }  // NOLINT: used like a T
  T operator->() const noexcept
    requires std::is_pointer_v<T>
  {
    return get();
  }
  plain& operator++() noexcept { return set(static_cast<T>(get() + 1)), *this; }
  plain& operator--() noexcept { return set(static_cast<T>(get() - 1)), *this; }
  T operator++(int) noexcept {
    const T before = get();
    set(static_cast<T>(before + 1));
    return before;
  }
  T operator--(int) noexcept {
    const T before = get();
    set(static_cast<T>(before - 1));
    return before;
  }
  template <class D>
  plain& operator+=(D d) noexcept {
    return set(static_cast<T>(get() + d)), *this;
  }
  template <class D>
  plain& operator-=(D d) noexcept {
    return set(static_cast<T>(get() - d)), *this;
  }

 private:
  T value_;
};

}  // namespace model
