// SPDX-License-Identifier: MIT
// Two owners would cancel twice; a copy that owns nothing is a context.
// expect: delete
#include <sluice/context.hpp>

void user() {
  sluice::owned_context one = sluice::context::background().with_cancel();
#ifdef SLUICE_CONTROL
  sluice::context two = one;
#else
  sluice::owned_context two = one;
#endif
  static_cast<void>(two);
}
