// SPDX-License-Identifier: MIT
// What functions like c.recv() return: a call that is still to be made.
//
// The operation itself is immovable and is made where it is awaited, in the awaiting frame; the call
// is a handful of pointers and numbers, which may be copied and thrown away. (g++ 12 copies
// temporaries of an expression that awaits: nothing here minds.)
#pragma once

#include <sluice/detail/coro/trampoline.hpp>

#include <tuple>
#include <type_traits>

namespace sluice::detail {

/// Makes Op(site, args...) when awaited.
template <class Op, class... A>
class [[nodiscard("co_await it")]] op_call {
  static_assert((std::is_trivially_copyable_v<A> && ...));

 public:
  explicit op_call(A... args) noexcept : args_(args...) {}

  Op await_in(await_site site) && {
    return std::apply([site](A... args) { return Op(site, args...); }, args_);
  }

 private:
  std::tuple<A...> args_;
};

}  // namespace sluice::detail
