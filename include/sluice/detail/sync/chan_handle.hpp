// SPDX-License-Identifier: MIT
// The counted reference that channel handles are made of.
#pragma once

#include <sluice/detail/sync/chan_core.hpp>

#include <cstddef>
#include <utility>

namespace sluice::detail {

class chan_handle {
 public:
  chan_handle() noexcept = default;
  chan_handle(const element_type& type, std::size_t capacity)
      : core_(chan_core::make(type, capacity)) {}
  chan_handle(const chan_handle& o) noexcept : core_(o.core_) {
    if (core_ != nullptr) core_->retain();
  }
  chan_handle(chan_handle&& o) noexcept : core_(std::exchange(o.core_, nullptr)) {}
  chan_handle& operator=(chan_handle o) noexcept {
    std::swap(core_, o.core_);
    return *this;
  }
  ~chan_handle() {
    if (core_ != nullptr) core_->release();
  }

  chan_core* get() const noexcept { return core_; }

  void close() const {
    if (core_ == nullptr) chan_core::close_nil();
    core_->close();
  }
  void close_recv() const noexcept {
    if (core_ != nullptr) core_->close_recv();
  }
  std::size_t len() const noexcept { return core_ != nullptr ? core_->len() : 0; }
  std::size_t cap() const noexcept { return core_ != nullptr ? core_->cap() : 0; }
  bool drained() const noexcept { return core_ != nullptr && core_->drained(); }

  friend bool operator==(const chan_handle&, const chan_handle&) noexcept = default;

 private:
  chan_core* core_ = nullptr;
};

}  // namespace sluice::detail
