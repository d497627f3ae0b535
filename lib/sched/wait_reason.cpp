// SPDX-License-Identifier: MIT
#include <sluice/detail/sched/wait_reason.hpp>

namespace sluice {

std::string_view to_string(wait_reason r) noexcept {
  switch (r) {
    case wait_reason::none:
      return "none";
    case wait_reason::chan_send:
      return "chan send";
    case wait_reason::chan_recv:
      return "chan recv";
    case wait_reason::chan_nil:
      return "chan nil";
    case wait_reason::join:
      return "join";
    case wait_reason::sleep:
      return "sleep";
    case wait_reason::yield:
      return "yield";
    case wait_reason::blocking:
      return "blocking";
    case wait_reason::open:
      return "open";
    case wait_reason::read:
      return "read";
    case wait_reason::write:
      return "write";
    case wait_reason::sync:
      return "sync";
    case wait_reason::stat:
      return "stat";
    case wait_reason::poll:
      return "poll";
    case wait_reason::close:
      return "close";
    case wait_reason::settle:
      return "settle";
    case wait_reason::when_all:
      return "when_all";
    case wait_reason::context_done:
      return "context done";
    case wait_reason::group:
      return "group";
    case wait_reason::wait_group:
      return "wait group";
  }
  return "unknown";
}

}  // namespace sluice
