// SPDX-License-Identifier: MIT
// Walking the routines' records while the workers hold still.
#include <sluice/detail/coro/promise_base.hpp>
#include <sluice/detail/sched/fork.hpp>
#include <sluice/dump.hpp>

#include "sched/executor_core.hpp"
#include "sched/routine_pool.hpp"

#include <algorithm>

#include <fmt/format.h>

#include <unistd.h>

namespace sluice {

namespace {

using detail::claim_word;
using detail::routine;
using detail::routine_phase;

/// The awaits from the wait outwards. The routine is waiting or runnable: nobody changes its frames.
void add_chain(routine_info& info, const routine& r) {
  if (r.wait != nullptr) info.chain.push_back(r.wait->site);
  // A routine that was never resumed has one frame, which its `go` names.
  const detail::promise_base* f = &detail::promise_base::of(r.leaf);
  for (;;) {
    const detail::call_link* link = f->link;
    if (link == &r.root || link == r.branch) return;
    if (link->caller != nullptr) {
      info.chain.push_back(link->site);
      f = link->caller;
    } else {  // a child of a fork, which is one of the routine's own frames
      const detail::fork& outer = *static_cast<const detail::fork_child*>(link)->of;
      info.chain.push_back(outer.site);
      f = &detail::promise_base::of(outer.frame());
    }
  }
}

/// `still`: frames may be looked at.
routine_info describe(const routine& r, const detail::routine_facts& f, bool still) {
  const detail::unseen_scope unseen;  // it is with the workers that their pause is ordered
  routine_info info;
  info.id = f.id;
  info.name = f.name;
  info.spawned = f.spawned;
  info.stopping = f.stopping;
  info.since = f.since;
  if (f.phase == routine_phase::done) {
    info.state = routine_state::done;
    return info;
  }
  switch (f.state) {
    case claim_word::running:
      info.state = routine_state::running;
      break;
    case claim_word::claimed:
      info.state = routine_state::runnable;
      if (!still) break;
      if (r.hop == nullptr) info.state = routine_state::created;
      add_chain(info, r);
      break;
    case claim_word::armed:
    case claim_word::pinned:
    case claim_word::stopping:
      info.state = routine_state::waiting;
      if (!still) break;
      info.reason = r.wait->kind->reason;
      if (r.wait->kind->object != nullptr) info.object = r.wait->kind->object(*r.wait);
      if (info.reason == wait_reason::join)
        info.joins = static_cast<const routine*>(info.object)->id;
      add_chain(info, r);
      break;
  }
  return info;
}

/// A coroutine's name without what the compiler adds: g++ 12 writes the type of the frame as its
/// parameter, "void f(f(int)::_Z1fi.Frame*)".
std::string_view function_of(const std::source_location& at) {
  const std::string_view raw = at.function_name();
  const std::size_t frame = raw.rfind("::_Z");
  if (frame == std::string_view::npos) return raw;
  std::size_t open = frame;  // of the parameter's parenthesis, which is still open at `frame`
  for (int depth = 1; depth != 0;) {
    if (open == 0) return raw;
    --open;
    if (raw[open] == ')') ++depth;
    if (raw[open] == '(') --depth;
  }
  return raw.substr(open + 1, frame - open - 1);
}

std::string_view name_of(routine_state s) {
  switch (s) {
    case routine_state::created:
      return "created";
    case routine_state::runnable:
      return "runnable";
    case routine_state::running:
      return "running";
    case routine_state::waiting:
      return "waiting";
    case routine_state::done:
      return "done";
  }
  return "unknown";
}

}  // namespace

std::vector<routine_info> routines() {
  std::vector<routine_info> all;
  detail::executor_core::while_all_paused([&](bool still) {
    detail::routine_pool::instance().for_each([&](const routine& r) {
      detail::routine_facts facts;
      if (detail::read_facts(r, facts)) all.push_back(describe(r, facts, still));
    });
  });
  std::sort(all.begin(), all.end(),
            [](const routine_info& a, const routine_info& b) { return a.id < b.id; });
  return all;
}

std::string to_string(const std::vector<routine_info>& all) {
  fmt::memory_buffer text;
  const auto out = std::back_inserter(text);
  for (const routine_info& r : all) {
    fmt::format_to(out, "routine {}", r.id);
    if (!r.name.empty()) fmt::format_to(out, " \"{}\"", r.name);
    fmt::format_to(out, " [{}", name_of(r.state));
    if (r.state == routine_state::waiting) {
      fmt::format_to(out, ": {}", to_string(r.reason));
      if (r.joins != 0) {
        fmt::format_to(out, " routine {}", r.joins);
      } else if (r.object != nullptr) {
        fmt::format_to(out, " {}", r.object);
      }
      fmt::format_to(out, ", {:.3g} s", std::chrono::duration<double>(r.since).count());
    }
    fmt::format_to(out, "{}]\n", r.stopping ? ", stopping" : "");
    for (const std::source_location& at : r.chain) {
      fmt::format_to(out, "    at {}:{} in {}\n", at.file_name(), at.line(), function_of(at));
    }
    fmt::format_to(out, "    started at {}:{} in {}\n", r.spawned.file_name(), r.spawned.line(),
                   function_of(r.spawned));
  }
  return fmt::to_string(text);
}

void dump(int fd) {
  const std::string text = to_string(routines());
  for (std::size_t at = 0; at < text.size();) {
    const ::ssize_t n = ::write(fd, text.data() + at, text.size() - at);
    if (n <= 0) return;
    at += static_cast<std::size_t>(n);
  }
}

}  // namespace sluice
