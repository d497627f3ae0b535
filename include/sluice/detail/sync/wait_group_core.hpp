// SPDX-License-Identifier: MIT
// The compiled half of wait_group: a count, and who waits for it to be zero.
#pragma once

#include <sluice/config.hpp>
#include <sluice/detail/base/atomic.hpp>
#include <sluice/detail/base/list_link.hpp>
#include <sluice/detail/base/spin_lock.hpp>
#include <sluice/detail/sched/wait_point.hpp>

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace sluice::detail {

class wait_group_op;

class SLUICE_EXPORT wait_group_core {
 public:
  wait_group_core() noexcept = default;
  wait_group_core(const wait_group_core&) = delete;
  wait_group_core& operator=(const wait_group_core&) = delete;

  /// Panics if the count becomes negative; it is unchanged then.
  void add(std::ptrdiff_t n);
  std::ptrdiff_t count() const noexcept;

 private:
  friend class wait_group_ref;
  friend class wait_group_op;
  ~wait_group_core();

  atomic<std::uint32_t> refs_{1};  // [O1]
  mutable spin_lock lock_;         // guards the rest
  std::ptrdiff_t count_ = 0;
  link_list waiters_;  // of wait_group_op
};

/// A counted reference.
class SLUICE_EXPORT wait_group_ref {
 public:
  wait_group_ref() : core_(new wait_group_core) {}
  wait_group_ref(const wait_group_ref& o) noexcept;
  wait_group_ref& operator=(wait_group_ref o) noexcept {
    std::swap(core_, o.core_);
    return *this;
  }
  ~wait_group_ref();

  wait_group_core* get() const noexcept { return core_; }

 private:
  wait_group_core* core_;
};

/// Takes one off the count when it is destroyed.
class wait_group_share {
 public:
  /// Has added the one.
  explicit wait_group_share(wait_group_ref g) : g_(std::move(g)), mine_(true) { g_.get()->add(1); }
  wait_group_share(wait_group_share&& o) noexcept
      : g_(o.g_), mine_(std::exchange(o.mine_, false)) {}
  wait_group_share& operator=(wait_group_share&&) = delete;
  ~wait_group_share() {
    if (mine_) g_.get()->add(-1);
  }

 private:
  wait_group_ref g_;
  bool mine_;
};

class SLUICE_EXPORT wait_group_op final : public wait_point, private list_link {
 public:
  wait_group_op(await_site site, wait_group_core* g) noexcept;
  bool await_suspend(std::coroutine_handle<> frame) noexcept;
  void await_resume() const noexcept {}

 private:
  friend class wait_group_core;
  static void abandon(wait_point& self) noexcept;
  static const void* object(const wait_point& self) noexcept;
  static const wait_kind wait_group_kind;

  wait_group_core* g_;
};

}  // namespace sluice::detail
