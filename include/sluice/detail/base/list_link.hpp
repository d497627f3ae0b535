// SPDX-License-Identifier: MIT
// A place in a circular list, for objects that are members of one by themselves: taking one out needs
// nothing but the object.
#pragma once

#include <sluice/detail/base/immovable.hpp>

namespace sluice::detail {

/// Guarded by whatever guards the list. Not in a list: `after` is null.
struct list_link : immovable {
  list_link* after = nullptr;
  list_link* before = nullptr;

  bool is_linked() const noexcept { return after != nullptr; }

  void unlink() noexcept {
    after->before = before;
    before->after = after;
    after = before = nullptr;
  }
};

/// The list: itself a link, between the last and the first.
class link_list : list_link {
 public:
  link_list() noexcept { after = before = this; }

  bool is_empty() const noexcept { return after == this; }

  void push_back(list_link& l) noexcept {
    l.before = before;
    l.after = this;
    before->after = &l;
    before = &l;
  }

  /// Returns: the first, taken out; null if there is none.
  list_link* pop_front() noexcept {
    if (is_empty()) return nullptr;
    list_link* l = after;
    l->unlink();
    return l;
  }
};

}  // namespace sluice::detail
