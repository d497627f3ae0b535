// SPDX-License-Identifier: MIT
#include "fuzz/context_model.hpp"

#include <sluice/error.hpp>

#include <algorithm>

#include <fmt/format.h>

using namespace sluice;

namespace sluice_fuzz {

context_entry& context_model::add(const context& real, context_entry* parent, const kind& k) {
  context_entry& e = entries.emplace_back(static_cast<int>(entries.size()) + 1, real);
  e.value = k.value != 0 || parent == nullptr ? k.value : parent->value;
  if (!k.shields && parent != nullptr && parent->can_end) e.parent = parent;
  e.can_end = k.ends || e.parent != nullptr;
  if (e.parent != nullptr) e.deadline = e.parent->deadline;
  if (k.deadline < e.deadline) {
    e.deadline = k.deadline;
    e.own_cause = k.cause;
  }
  if (e.can_end) open_.push_back(&e);
  return e;
}

bool context_model::look() {
  ended_.clear();
  std::erase_if(open_, [this](context_entry* e) {
    const std::error_code err = e->real.err();
    if (!err) return false;
    e->err = err;
    e->cause = e->real.cause();
    e->cancelled = true;
    ended_.push_back(e);
    return true;
  });
  if (ended_.empty()) return false;
  const time_point now = clock::now();
  for (const context_entry* e : ended_)
    expect(has_reason(*e, now), *e, "is cancelled without that reason");
  for (const context_entry* e : open_) {
    expect(e->parent == nullptr || !e->parent->cancelled, *e,
           "is open, though the one above it is cancelled");
  }
  return true;
}

bool context_model::has_reason(const context_entry& e, time_point now) const {
  const context_entry* p = e.parent;
  if (p != nullptr && p->cancelled && p->err == e.err && p->cause == e.cause) return true;
  if (e.err == errc::deadline_exceeded) return e.deadline <= now && e.cause == e.own_cause;
  return e.err == errc::canceled &&
         std::find(e.reasons.begin(), e.reasons.end(), e.cause) != e.reasons.end();
}

void context_model::check_settled(time_point now) {
  for (const context_entry* e : open_) {
    expect(e->deadline > now, *e, "is open behind its deadline");
    expect(e->reasons.empty(), *e, "is open, though it was cancelled");
  }
}

void context_model::check(const context_entry* e, const context& seen) {
  if (e == nullptr) {
    if (seen == context::background()) return;
    static const context_entry background(0, {});
    return expect(false, background, "is not where a routine stands");
  }
  expect(seen == e->real, *e, "is not where a routine stands");
  expect(seen.err() == e->err && seen.cause() == e->cause, *e, "says another end than it had");
  expect(seen.deadline().value_or(time_point::max()) == e->deadline, *e,
         "says another deadline than it has");
  const tag* value = seen.value<tag>();
  expect((value != nullptr ? value->number : 0) == e->value, *e,
         "has another value than was given");
}

void context_model::expect(bool right, const context_entry& e, std::string_view text) {
  if (right || !failure_.empty()) return;
  failure_ = fmt::format("context {} {}", e.id, text);
}

}  // namespace sluice_fuzz
