// SPDX-License-Identifier: MIT
// A node of the tree of contexts, seen from the templates: counted references, and values by type.
#pragma once

#include <sluice/clock.hpp>
#include <sluice/config.hpp>
#include <sluice/detail/base/atomic.hpp>
#include <sluice/detail/base/immovable.hpp>
#include <sluice/detail/base/list_link.hpp>
#include <sluice/detail/coro/frame_alloc.hpp>
#include <sluice/error.hpp>

#include <cstddef>
#include <cstdint>
#include <system_error>
#include <utility>

namespace sluice::detail {

class cancel_node;
class context_node;

/// A routine's place in a context: a member of the node that governs it, which a cancel walks.
struct context_member : list_link {
  context_node* node = nullptr;  // owner; counted; null: background
};

/// A counted reference to a node; null is the background.
class SLUICE_EXPORT context_ref {
 public:
  context_ref() noexcept = default;
  explicit context_ref(context_node* counted) noexcept : node_(counted) {}
  context_ref(const context_ref& o) noexcept;
  context_ref(context_ref&& o) noexcept : node_(std::exchange(o.node_, nullptr)) {}
  context_ref& operator=(context_ref o) noexcept {
    std::swap(node_, o.node_);
    return *this;
  }
  ~context_ref() {
    if (node_ != nullptr) release(node_);
  }

  context_node* get() const noexcept { return node_; }
  /// Gives up the count.
  context_node* take() noexcept { return std::exchange(node_, nullptr); }

 private:
  static void release(context_node* n) noexcept;

  context_node* node_ = nullptr;
};

/// Kinds: one that can be cancelled (cancel_node), one that holds a value (value_node), and a plain one,
/// which keeps the values above it and shields from their cancellation.
class SLUICE_EXPORT context_node : immovable {
 public:
  explicit context_node(context_ref parent, cancel_node* governs, const void* key = nullptr,
                        const void* value = nullptr) noexcept
      : parent_(std::move(parent)), governor_(governs), key_(key), value_(value) {}

  /// The nearest node, from this one upwards, that can be cancelled and reaches here; or null.
  cancel_node* governor() const noexcept { return governor_; }
  context_node* parent() const noexcept { return parent_.get(); }
  void retain() noexcept {
    refs_.fetch_add(1, std::memory_order_relaxed);  // relaxed: who calls holds one already
  }
  /// The nearest value of that key, from this node upwards; or null.
  const void* find(const void* key) const noexcept;

  static void* operator new(std::size_t bytes) { return frame_allocate(bytes); }
  static void operator delete(void* at, std::size_t bytes) noexcept { frame_free(at, bytes); }

 protected:
  virtual ~context_node();
  /// As retain(), before others know of it.
  void retain_unshared() noexcept {
    // relaxed: published with the node
    refs_.store(refs_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }

 private:
  friend class context_ref;

  context_ref parent_;  // immutable while it lives, as the next three
  cancel_node* const governor_;
  const void* const key_;
  const void* const value_;
  atomic<std::uint32_t> refs_{1};  // [O1]; last, to share a line with the lock of a cancel_node
};

/// Whose address is the key of values of type K.
template <class K>
inline constexpr char context_key = 0;

template <class K>
class value_node final : public context_node {
 public:
  template <class... A>
  explicit value_node(const context_ref& parent, A&&... args)
      : context_node(parent, governor_of(parent), &context_key<K>, &value_),
        value_{std::forward<A>(args)...} {}

 private:
  static cancel_node* governor_of(const context_ref& r) noexcept {
    return r.get() != nullptr ? r.get()->governor() : nullptr;
  }
  ~value_node() override = default;

  K value_;
};

/// The running routine's context; the background outside of routines.
SLUICE_EXPORT context_ref current_context() noexcept;

/// A child that can be cancelled. Whoever makes it sees to cancel() before the last reference goes.
/// `deadline`: it is cancelled then, with `cause`; time_point::max() for none. Panics outside a routine if
/// there is one that is still to come.
SLUICE_EXPORT context_ref make_cancel_node(context_ref parent,
                                           time_point deadline = time_point::max(),
                                           std::error_code cause = {});
/// Likewise one that is cancelled when `d` is over. Cost: reads the clock once, not twice.
SLUICE_EXPORT context_ref make_timed_node(context_ref parent, duration d, std::error_code cause);

/// Cancels it and all below it. Nothing if it is cancelled already, or no cancel_node.
SLUICE_EXPORT void cancel(context_node* node, std::error_code cause) noexcept;

struct context_end {
  std::error_code err;    // none: not cancelled
  std::error_code cause;  // why
};
SLUICE_EXPORT context_end end_of(const context_node* node) noexcept;
SLUICE_EXPORT time_point deadline_of(const context_node* node) noexcept;

}  // namespace sluice::detail
