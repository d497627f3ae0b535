// SPDX-License-Identifier: MIT
// The executor's public face: options, shutdown, run.
#include <sluice/detail/base/assert.hpp>
#include <sluice/dump.hpp>
#include <sluice/runtime.hpp>

#include "base/topology.hpp"
#include "runtime/backend.hpp"
#include "runtime/deadlock.hpp"
#include "runtime/log.hpp"
#include "runtime/quit_dump.hpp"
#include "sched/executor_core.hpp"
#include "sched/routine_pool.hpp"

#include <algorithm>
#include <mutex>
#include <optional>
#include <random>

#include <fmt/format.h>

#include <unistd.h>

namespace sluice {

namespace detail {

namespace {

core_options core_of(const executor_options& o, const backend_choice& b) {
  core_options c;
  c.workers = o.workers > 0 ? o.workers : available_cpus();
  c.seed = std::random_device{}();
  c.blocking.limit = std::max<std::size_t>(1, o.blocking_threads);
  c.make_reactor = b.make;
  c.on_deadlock = [log = o.log](deadlock found) { report_deadlock(found, log); };
  if (o.on_panic != nullptr) {
    c.on_escape = [policy = o.on_panic](const escaped& e) {
      policy({e.r.id, e.r.name != nullptr ? e.r.name : "", e.r.root.site, e.exception});
    };
  }
  return c;
}

void dump_on_fatal() noexcept {
  try {
    dump(STDERR_FILENO);
  } catch (...) {
    // The text of the failure has been written: nothing more can be told.
  }
}

}  // namespace

/// Invariant: core has its threads running until ended is set.
class executor_impl {
 public:
  explicit executor_impl(const executor_options& o)
      : options(o), choice(choose_backend(o)), core(core_of(o, choice)) {
    set_fatal_hook(dump_on_fatal);
    core.start();
    if (choice.fell_back) {
      log(fmt::format("sluice: warning: io_uring is not available ({}): using epoll",
                      choice.reason));
    }
  }

  void log(std::string_view line) const { log_line(options.log, line); }

  std::vector<straggler> shutdown(duration grace) {
    const std::lock_guard lock(shutting_down);
    if (ended) return {};
    if (core.stop_routines(deadline_after(core.now(), grace))) {
      core.stop_workers();
      ended = true;
      return {};
    }
    std::vector<straggler> left;
    executor_core::while_all_paused([&](bool still) {
      routine_pool::instance().for_each([&](routine& r) {
        routine_facts f;
        if (!read_facts(r, f) || f.phase != routine_phase::live || f.executor != &core) return;
        const bool waits = f.state == claim_word::armed || f.state == claim_word::pinned ||
                           f.state == claim_word::stopping;
        left.push_back(
            {f.id, f.name, f.spawned, waits && still ? r.wait->kind->reason : wait_reason::none});
      });
    });
    return left;
  }

  void name(const std::vector<straggler>& left, duration waited) const {
    using seconds = std::chrono::duration<double>;
    log(fmt::format(
        "sluice: warning: {} routines have not ended {:.3g} s after they were asked to stop",
        left.size(), seconds(waited).count()));
    log_routines(options.log, left);
  }

  const executor_options options;  // immutable
  const backend_choice choice;     // immutable
  executor_core core;
  std::mutex shutting_down;
  bool ended = false;                // guarded by shutting_down
  std::optional<quit_dump> on_quit;  // of run(), whose it is
};

std::unique_ptr<executor> begin_run(const executor_options& options) {
  auto ex = std::make_unique<executor>(options);
  ex->impl_->on_quit.emplace(options.quit_exits);
  return ex;
}

void wait_for_main(const executor& ex, std::uint64_t main_id) noexcept {
  ex.core().deadlocks.set_main(main_id);
}

void end_run(std::unique_ptr<executor> ex, duration grace) noexcept {
  executor_impl& impl = *ex->impl_;
  const auto left = impl.shutdown(grace);
  impl.on_quit.reset();
  if (left.empty()) return;
  impl.name(left, grace);
  // They may run for ever: their executor stays, and with it all they refer to.
  static_cast<void>(ex.release());
}

}  // namespace detail

executor::executor() : executor(executor_options{}) {}

executor::executor(const executor_options& options)
    : impl_(std::make_unique<detail::executor_impl>(options)) {}

executor::~executor() {
  duration waited{};
  const duration grace = std::max<duration>(impl_->options.shutdown_grace, std::chrono::seconds(1));
  for (;;) {
    const auto left = impl_->shutdown(grace);
    if (left.empty()) return;
    waited += grace;
    impl_->name(left, waited);
  }
}

std::vector<straggler> executor::shutdown(duration grace) {
  if (const detail::worker* w = detail::current_worker(); w != nullptr && &w->ex == &impl_->core) {
    detail::throw_panic("executor: shutdown from one of its own routines");
  }
  return impl_->shutdown(grace);
}

executor_info executor::info() const {
  return {static_cast<int>(impl_->core.workers().size()), impl_->choice.chosen,
          impl_->choice.reason};
}

detail::executor_core& executor::core() const noexcept {
  return impl_->core;
}

}  // namespace sluice
