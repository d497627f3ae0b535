// SPDX-License-Identifier: MIT
// A place in a frame where one wait after another is made: who touches one that was left is found.
#pragma once

#include "model/checker/model.hpp"

#include <cstddef>
#include <new>
#include <utility>

namespace model_test {

template <class Wait>
class place {
 public:
  template <class... A>
  Wait& make(A&&... a) {
    return *::new (bytes_) Wait(std::forward<A>(a)...);
  }
  Wait& operator*() noexcept { return *std::launder(reinterpret_cast<Wait*>(bytes_)); }
  Wait* operator->() noexcept { return &**this; }

  /// The wait is gone, without a destructor.
  void leave() noexcept { model::retire(bytes_, sizeof bytes_); }

 private:
  alignas(Wait) std::byte bytes_[sizeof(Wait)];
};

}  // namespace model_test
