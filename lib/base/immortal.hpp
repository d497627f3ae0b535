// SPDX-License-Identifier: MIT
// An object that is never destroyed: what destructors of static objects, and threads that outlive main, still use.
#pragma once

namespace sluice::detail {

/// For a static variable: `static constinit immortal<T> forever; return forever.it;`
template <class T>
union immortal {
  constexpr immortal() noexcept(noexcept(T())) : it() {}
  immortal(const immortal&) = delete;
  immortal& operator=(const immortal&) = delete;
  ~immortal() {}
  T it;
};

}  // namespace sluice::detail
