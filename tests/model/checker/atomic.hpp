// SPDX-License-Identifier: MIT
// sluice's atomics in a model build: SLUICE_MODEL_ATOMIC_HEADER of <sluice/detail/base/atomic.hpp>.
//
// Same size as T and trivially destructible, so that layouts hold. The object itself holds the newest
// value; older ones, which loads may still read, are the engine's.
#pragma once

#include "model/checker/engine.hpp"
#include "model/checker/model.hpp"

#include <cstring>
#include <source_location>
#include <type_traits>

namespace sluice::detail {

template <class T>
class atomic {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= sizeof(model::engine::word));
  using site = std::source_location;
  using order = std::memory_order;

 public:
  using value_type = T;

  constexpr atomic() noexcept : atomic(T{}) {}
  constexpr atomic(T value) noexcept : value_(value) {  // NOLINT: as std::atomic
    if (!std::is_constant_evaluated()) model::engine::created(this);
  }
  atomic(const atomic&) = delete;
  atomic& operator=(const atomic&) = delete;

  T load(order o, site at = site::current()) const noexcept {
    if (!model::engine::on()) return value_;
    return from_word(model::engine::load(begin(model::loads, o, at)));
  }
  void store(T value, order o, site at = site::current()) noexcept {
    if (!model::engine::on()) return void(value_ = value);
    const auto op = begin(model::stores, o, at);
    value_ = value;
    model::engine::store(op, to_word(value));
  }
  T exchange(T value, order o, site at = site::current()) noexcept {
    return modify(o, at, [value](T) { return value; });
  }

  bool compare_exchange_strong(T& expected, T desired, order success, order failure,
                               site at = site::current()) noexcept {
    if (!model::engine::on()) {
      const bool equal = to_word(value_) == to_word(expected);
      (equal ? value_ : expected) = equal ? desired : value_;
      return equal;
    }
    const auto op = begin(model::changes, success, at);
    const auto read = model::engine::compare(op, to_word(expected), failure);
    if (read != to_word(expected)) {
      expected = from_word(read);
      return false;
    }
    value_ = desired;
    model::engine::exchange(op, to_word(desired));
    return true;
  }
  bool compare_exchange_weak(T& expected, T desired, order success, order failure,
                             site at = site::current()) noexcept {
    return compare_exchange_strong(expected, desired, success, failure, at);
  }

  template <class D>
  T fetch_add(D d, order o, site at = site::current()) noexcept {
    return modify(o, at, [d](T v) { return static_cast<T>(v + d); });
  }
  template <class D>
  T fetch_sub(D d, order o, site at = site::current()) noexcept {
    return modify(o, at, [d](T v) { return static_cast<T>(v - d); });
  }
  T fetch_or(T d, order o, site at = site::current()) noexcept {
    return modify(o, at, [d](T v) { return static_cast<T>(v | d); });
  }
  T fetch_and(T d, order o, site at = site::current()) noexcept {
    return modify(o, at, [d](T v) { return static_cast<T>(v & d); });
  }

  /// The newest value, by no thread's eyes: for checks and wait_until().
  T latest() const noexcept { return value_; }

 private:
  model::engine::operation begin(unsigned kind, order o, const site& at) const noexcept {
    return model::engine::begin(this, sizeof(T), kind, o, at);
  }
  template <class F>
  T modify(order o, const site& at, F f) noexcept {
    if (!model::engine::on()) {
      const T before = value_;
      value_ = f(before);
      return before;
    }
    const auto op = begin(model::changes, o, at);
    const T before = value_;
    value_ = f(before);
    model::engine::exchange(op, to_word(value_));
    return before;
  }
  static model::engine::word to_word(T value) noexcept {
    model::engine::word w = 0;
    std::memcpy(&w, &value, sizeof(T));
    return w;
  }
  static T from_word(model::engine::word w) noexcept {
    T value;
    std::memcpy(&value, &w, sizeof(T));
    return value;
  }

  T value_;
};

inline void cpu_relax() noexcept {
  model::yield();
}

}  // namespace sluice::detail
