// SPDX-License-Identifier: MIT
// A context that can be cancelled: who is in it, and what a cancel does.
//
//   from   to          by        when
//   open   cancelled   anyone    cancel() of it or of one above it; its deadline; its parent was cancelled when
//                                it was made
// Members are in its lists while it is open. Who cancels it takes them out, each exactly once, and ends what
// they wait for; who comes later finds it cancelled, and is no member.
//
// A cancel goes down the tree without recursion, and with no lock held from one node to the next: the nodes
// that it has cancelled are a chain of its own, each counted.
#pragma once

#include <sluice/detail/base/spin_lock.hpp>
#include <sluice/detail/sched/boundary.hpp>
#include <sluice/detail/sched/context_done.hpp>
#include <sluice/detail/sched/context_node.hpp>

#include "sched/timer_heap.hpp"

#include <system_error>

namespace sluice::detail {

struct routine;
class worker;

/// Lock order: a parent's lock_ before a child's; lock_ before join_lock, and before a timer heap's.
class cancel_node : public list_link, public context_node {
 public:
  cancel_node(context_ref parent, time_point deadline) noexcept;

  /// Puts its deadline into the running worker's heap: it is cancelled then, with `cause`. Once, by the
  /// maker, before others know of it. Throws std::bad_alloc.
  void arm(worker& w, std::error_code cause);
  /// Becomes a child of the governor of its parent. Once, by the maker.
  void join_parent() noexcept;

  void cancel(errc err, std::error_code cause) noexcept;
  /// Takes a member out, and cancels it, in one go: who made it for itself leaves it.
  void leave_and_cancel(list_link& m) noexcept;

  /// Returns: false if it is cancelled, and `m` no member.
  [[nodiscard]] bool add_routine(context_member& m) noexcept { return add(routines_, m); }
  [[nodiscard]] bool add_boundary(context_member& m) noexcept { return add(boundaries_, m); }
  /// Arms the wait of a routine until it is cancelled. Returns: false if there is no wait: it is cancelled.
  /// `refused`: the routine was asked to stop, and waits for nothing.
  [[nodiscard]] bool add_waiter(context_done_op& w, bool& refused) noexcept;
  /// Takes a member out, unless a cancel has; that is through with it then.
  void remove(list_link& m) noexcept;

  bool is_cancelled() const noexcept {
    // acquire: pairs with close(): err and cause are there [O2]
    return cancelled_.load(std::memory_order_acquire);
  }
  context_end end() const noexcept { return is_cancelled() ? end_ : context_end{}; }
  time_point deadline() const noexcept { return deadline_; }

  /// Its deadline was taken out of the heap. Drops the count that the heap had.
  static void expire(context_deadline& d, errc err) noexcept;

 protected:
  ~cancel_node() override;

  /// It has been cancelled: once, on the thread that did so, with no lock held.
  virtual void on_cancelled() noexcept {}

 private:
  enum class timer_state : unsigned char { none, armed, out };

  struct own_deadline : context_deadline {
    explicit own_deadline(cancel_node& n) noexcept : of(n) {}
    cancel_node& of;
    std::error_code cause;  // immutable once armed
  };

  const context_node* as_node() const noexcept { return this; }
  bool add(link_list& list, list_link& m) noexcept;
  void cancel_as_worker(errc err, std::error_code cause, list_link* leaves) noexcept;
  bool close(errc err, std::error_code cause, list_link* leaves = nullptr) noexcept;
  bool take_timer() noexcept;
  void close_children(cancel_node*& last) noexcept;
  bool end_members() noexcept;
  void end_overlooked() noexcept;
  void leave_parent() noexcept;

  // Beside the count: who makes a child, and who cancels one, changes these, and the first list.
  spin_lock lock_;  // guards the lists, and:
  timer_state timed_ = timer_state::none;
  atomic<bool> cancelled_{false};  // written under lock_ [O2]
  bool had_children_ = false;      // when it was cancelled; of who cancels it, as the next one
  bool had_members_ = false;
  link_list children_;
  link_list routines_;
  link_list boundaries_;
  link_list waiters_;                // of context_done_op
  link_list overlooked_routines_;    // of a cancelled one: they did not wait when they were told
  link_list overlooked_boundaries_;  // likewise
  context_end end_;                  // immutable once cancelled
  cancel_node* next_ = nullptr;      // in the chain of who cancels; counted
  const time_point deadline_;        // its own, or an earlier one above it
  own_deadline timer_;               // counted while it is in a heap
};

/// Cancels contexts whose deadlines were taken out of a heap, linked by `next_due`: they are due, or the
/// heap ends.
void end_contexts(context_deadline* first, errc err) noexcept;

}  // namespace sluice::detail
