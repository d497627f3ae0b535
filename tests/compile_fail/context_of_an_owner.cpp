// SPDX-License-Identifier: MIT
// A plain reference made of a temporary owner would take the node from it, and nobody would cancel that.
// expect: context: keep the owner, as owned_context
#include <sluice/context.hpp>

sluice::context user(const sluice::context& parent) {
#ifdef SLUICE_CONTROL
  const sluice::owned_context child = parent.with_cancel();
#else
  const sluice::context child = parent.with_cancel();
#endif
  sluice::context plain = child;
  return plain;
}
