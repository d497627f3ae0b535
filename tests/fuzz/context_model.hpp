// SPDX-License-Identifier: MIT
// The reference that contexts are held to: a tree of entries, each with whatever may have cancelled it.
//
// A bubble runs one routine at a time, and contexts end in a step of one or between two. So whoever looks
// before each step sees every end at the moment from which it counts, and its reason must be known by then.
#pragma once

#include <sluice/clock.hpp>
#include <sluice/context.hpp>

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace sluice_fuzz {

/// The values that contexts have.
struct tag {
  int number;
};

struct context_entry {
  context_entry(int number, const sluice::context& c) : id(number), real(c) {}

  const int id;
  const sluice::context real;
  context_entry* parent = nullptr;                          // ends it, too; null: none does
  sluice::time_point deadline = sluice::time_point::max();  // its own, or an earlier one above it
  std::error_code own_cause;                                // of its own deadline, if that counts
  int value = 0;                                            // 0: none
  bool can_end = true;
  std::vector<std::error_code> reasons;  // what it has been, or is about to be, cancelled with
  std::optional<sluice::owned_context> owner;

  bool cancelled = false;  // as far as it was looked at
  std::error_code err, cause;
};

class context_model {
 public:
  /// What is to be made below `parent` (null: the background).
  struct kind {
    sluice::time_point deadline = sluice::time_point::max();
    std::error_code cause = {};
    int value = 0;         // 0: the parent's
    bool shields = false;  // nothing above it ends it
    bool ends = true;      // it can be cancelled by itself
  };
  context_entry& add(const sluice::context& real, context_entry* parent, const kind& k);

  /// Notices the entries that are cancelled by now. Returns: whether there are any that were not before.
  bool look();
  /// Nothing moves: what had to end has ended.
  void check_settled(sluice::time_point now);
  /// Whether a context says what it must. Null: the background.
  void check(const context_entry* e, const sluice::context& seen);

  /// The first thing that was wrong; empty: nothing.
  const std::string& failure() const { return failure_; }

  std::deque<context_entry> entries;

 private:
  bool has_reason(const context_entry& e, sluice::time_point now) const;
  void expect(bool right, const context_entry& e, std::string_view text);

  std::vector<context_entry*> open_;
  std::vector<context_entry*> ended_;  // in this look
  std::string failure_;
};

}  // namespace sluice_fuzz
