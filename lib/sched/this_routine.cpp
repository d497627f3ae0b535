// SPDX-License-Identifier: MIT
#include <sluice/routine.hpp>

#include "sched/wait.hpp"

#include <cstdlib>
#include <cstring>
#include <new>

namespace sluice {

namespace this_routine {

std::uint64_t id() noexcept {
  const detail::worker* w = detail::current_worker();
  return w != nullptr && w->current != nullptr ? w->current->id : 0;
}

void set_name(std::string_view name) {
  detail::worker* w = detail::current_worker();
  if (w == nullptr || w->current == nullptr) return;
  auto* copy = static_cast<char*>(std::malloc(name.size() + 1));
  if (copy == nullptr) throw std::bad_alloc();
  std::memcpy(copy, name.data(), name.size());
  copy[name.size()] = '\0';
  char* before;
  {
    const detail::spin_guard guard(w->current->join_lock);  // a dump may be reading it
    before = std::exchange(w->current->name, copy);
  }
  std::free(before);
}

std::string_view name() noexcept {
  const detail::worker* w = detail::current_worker();
  if (w == nullptr || w->current == nullptr || w->current->name == nullptr) return {};
  return w->current->name;
}

}  // namespace this_routine

namespace detail {

namespace {
constexpr wait_kind yield_kind{wait_reason::yield, nullptr, nullptr, nullptr};
}

yield_op::yield_op(await_site at) noexcept : wait_point(at, yield_kind) {}

void yield_op::await_suspend(std::coroutine_handle<> frame) noexcept {
  if (head->must_stop()) return refuse(*this, frame);
  begin_wait(*this, frame);
  head->hop->end = verdict::yielded;  // the worker queues it once its frame has returned
}

}  // namespace detail
}  // namespace sluice
