// SPDX-License-Identifier: MIT
// An operation: one request to a reactor. Lives in the awaiting frame until its terminal completion.
//
// Belongs for ever to the reactor of the worker that started it; the routine may go on anywhere.
#pragma once

#include <sluice/config.hpp>
#include <sluice/detail/sched/wait_point.hpp>

namespace sluice::detail {

class worker;

class operation : public wait_point {
 public:
  operation(await_site s, const wait_kind& k) noexcept : wait_point(s, k) {}

  int result = 0;                   // >= 0, or -errno; owner: worker, until the routine resumes
  worker* home = nullptr;           // whose reactor holds it; immutable once started
  operation* inbox_next = nullptr;  // in home's inbox: a stop request on its way
  operation* done_next = nullptr;   // on the way home from a thread that completed it
  operation* queue_next = nullptr;  // in a queue of the reactor's own
  bool done = false;                // completed while a stop request was on its way; owner: home

 protected:
  ~operation() = default;
};

/// Posts a stop request to the operation's home worker (wait_kind::request_stop of operations).
SLUICE_EXPORT void post_stop_request(wait_point& op) noexcept;

/// Arms the wait and starts the operation on the running worker's reactor, or refuses because a stop
/// was requested. To be returned from `await_suspend`: the routine is suspended either way.
SLUICE_EXPORT void suspend_on(operation& op, std::coroutine_handle<> frame) noexcept;

}  // namespace sluice::detail
