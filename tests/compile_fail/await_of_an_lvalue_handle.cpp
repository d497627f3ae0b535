// SPDX-License-Identifier: MIT
// A join takes the result out: the handle is moved from, and that shall be seen.
// expect: std::move(handle) of a join_handle
#include <sluice/go.hpp>

#include <utility>

sluice::task<int> user(sluice::join_handle<int> h) {
#ifdef SLUICE_CONTROL
  co_return co_await std::move(h);
#else
  co_return co_await h;
#endif
}
