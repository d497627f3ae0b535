// SPDX-License-Identifier: MIT
// From reports to doctest checks.
#pragma once

#include "base/asymmetric.hpp"
#include "model/checker/model.hpp"

#include <functional>

#include <doctest/doctest.h>

namespace model_test {

using program = std::function<void(model::run&)>;

inline model::report explore_as(const char* title, const model::bounds& within, const program& p) {
  sluice::detail::asymmetric_registered = within.membarrier;
  return model::explore(title, within, p);
}

/// Nothing fails, and all within the bounds was seen.
inline void holds(const char* title, const model::bounds& within, const program& p) {
  const model::report r = explore_as(title, within, p);
  INFO(r.what);
  INFO(r.trace);
  CHECK(!r.failed);
  CHECK(r.complete);
}

/// The same with light stores and process-wide barriers, and with seq_cst in their place.
inline void holds_both_ways(const char* title, model::bounds within, const program& p) {
  within.membarrier = false;
  holds(title, within, p);
  within.membarrier = true;
  holds(title, within, p);
}

/// A seeded fault is found: the failure's text holds `text`.
inline void finds(const char* text, const char* title, const model::bounds& within,
                  const program& p) {
  const model::report r = explore_as(title, within, p);
  INFO(r.what);
  INFO(r.trace);
  CHECK(r.failed);
  CHECK(r.what.find(text) != std::string::npos);
}

}  // namespace model_test
