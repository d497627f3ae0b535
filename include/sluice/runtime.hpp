// SPDX-License-Identifier: MIT
// executor: the workers that run routines. run: a program's main routine.
#pragma once

#include <sluice/clock.hpp>
#include <sluice/config.hpp>
#include <sluice/detail/sched/wait_reason.hpp>
#include <sluice/go.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <source_location>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace sluice {

/// What workers park on. `automatic`: io_uring, or epoll where the system has no io_uring for us
/// (ENOSYS, EPERM, EINVAL); lack of memory or descriptors is an error all the same.
enum class backend : unsigned char { automatic, io_uring, epoll };

SLUICE_EXPORT std::string_view to_string(backend b) noexcept;

/// An exception that left a routine and that nobody joins.
struct panic_info {
  std::uint64_t id;              // of the routine
  std::string_view name;         // or ""
  std::source_location spawned;  // where it was started
  std::exception_ptr exception;
};

/// How an executor is made. `executor ex{{.workers = 4}};`
struct executor_options {
  /// Threads; 0: as many as the CPUs that affinity mask and cgroup quota leave. At most 512.
  int workers = 0;

  /// The environment variable SLUICE_BACKEND (auto, io_uring, epoll) has precedence.
  sluice::backend backend = sluice::backend::automatic;

  /// Submission entries of each worker's ring, a power of two; completions: four times that. About
  /// 36 KiB of RLIMIT_MEMLOCK at 256. Where memory is short it is halved, down to 64.
  unsigned ring_entries = 256;

  /// Threads at most for blocking(f) and for files under epoll. They start on demand.
  std::size_t blocking_threads = 64;

  /// How long run() and ~executor wait for routines that were asked to stop before they name them.
  duration shutdown_grace = std::chrono::seconds(10);

  /// SIGQUIT under run() writes dump() to stderr; whether it then ends the process, with code 2, as in a Go program.
  bool quit_exits = false;

  /// Called for an exception that nobody joins, on whatever thread; if it returns, the routine is
  /// dead and the executor goes on. Null: prints routine, name, spawn site, the exception's type
  /// and what(), then the dump, and aborts.
  void (*on_panic)(const panic_info&) = nullptr;

  /// Called with each line that sluice has to say (a backend that fell back, stragglers, all routines
  /// asleep), on whatever thread. Null: stderr.
  void (*log)(std::string_view line) = nullptr;
};
static_assert(std::is_trivially_destructible_v<executor_options>,
              "g++ 12 destroys aggregates with destructors twice in expressions that await");

/// What an executor turned out to be.
struct executor_info {
  int workers;
  sluice::backend backend;  // io_uring or epoll
  std::string reason;       // why this backend: "asked for", "available", "io_uring_setup: ..."
};

/// A routine that did not end in time.
struct straggler {
  std::uint64_t id;
  std::string name;
  std::source_location spawned;
  wait_reason waiting;  // none: it runs, or could
};

class executor;

namespace detail {
class executor_core;
class executor_impl;

/// Makes the executor of a run(), which has SIGQUIT for itself.
SLUICE_EXPORT std::unique_ptr<executor> begin_run(const executor_options& options);
/// The calling thread will do nothing but wait for this routine of it.
SLUICE_EXPORT void wait_for_main(const executor& ex, std::uint64_t main_id) noexcept;
/// Ends it: names and leaves behind what does not end.
SLUICE_EXPORT void end_run(std::unique_ptr<executor> ex, duration grace) noexcept;
}  // namespace detail

/// A set of workers and the routines they run. Several can live in one process.
///
/// The constructor starts the workers. Errors: throws std::system_error that names what failed and
/// why (a ring that cannot be made, a thread that cannot be started), with nothing left behind.
/// Threads: all members from any thread, but the destructor and shutdown not from its own workers.
class SLUICE_EXPORT executor {
 public:
  executor();
  explicit executor(const executor_options& options);
  executor(const executor&) = delete;
  executor& operator=(const executor&) = delete;

  /// Asks all routines to stop and waits until they have, naming stragglers once the grace is over.
  ~executor();

  /// Starts a routine here, from any thread, as sluice::go. Throws stopped_error once the executor is shut down.
  template <class F>
    requires detail::startable<F>
  auto go(F&& f, std::source_location site = std::source_location::current()) {
    return start<F>(site, std::forward<F>(f));
  }
  template <class F, class A1>
    requires detail::startable<F, A1>
  auto go(F&& f, A1&& a1, std::source_location site = std::source_location::current()) {
    return start<F, A1>(site, std::forward<F>(f), std::forward<A1>(a1));
  }
  template <class F, class A1, class A2>
    requires detail::startable<F, A1, A2>
  auto go(F&& f, A1&& a1, A2&& a2, std::source_location site = std::source_location::current()) {
    return start<F, A1, A2>(site, std::forward<F>(f), std::forward<A1>(a1), std::forward<A2>(a2));
  }
  template <class F, class A1, class A2, class A3>
    requires detail::startable<F, A1, A2, A3>
  auto go(F&& f, A1&& a1, A2&& a2, A3&& a3,
          std::source_location site = std::source_location::current()) {
    return start<F, A1, A2, A3>(site, std::forward<F>(f), std::forward<A1>(a1),
                                std::forward<A2>(a2), std::forward<A3>(a3));
  }
  template <class F, class A1, class A2, class A3, class A4>
    requires detail::startable<F, A1, A2, A3, A4>
  auto go(F&& f, A1&& a1, A2&& a2, A3&& a3, A4&& a4,
          std::source_location site = std::source_location::current()) {
    return start<F, A1, A2, A3, A4>(site, std::forward<F>(f), std::forward<A1>(a1),
                                    std::forward<A2>(a2), std::forward<A3>(a3),
                                    std::forward<A4>(a4));
  }
  template <class F, class A1, class A2, class A3, class A4, class A5>
    requires detail::startable<F, A1, A2, A3, A4, A5>
  auto go(F&& f, A1&& a1, A2&& a2, A3&& a3, A4&& a4, A5&& a5,
          std::source_location site = std::source_location::current()) {
    return start<F, A1, A2, A3, A4, A5>(site, std::forward<F>(f), std::forward<A1>(a1),
                                        std::forward<A2>(a2), std::forward<A3>(a3),
                                        std::forward<A4>(a4), std::forward<A5>(a5));
  }
  template <class F, class A1, class A2, class A3, class A4, class A5, class A6>
    requires detail::startable<F, A1, A2, A3, A4, A5, A6>
  auto go(F&& f, A1&& a1, A2&& a2, A3&& a3, A4&& a4, A5&& a5, A6&& a6,
          std::source_location site = std::source_location::current()) {
    return start<F, A1, A2, A3, A4, A5, A6>(
        site, std::forward<F>(f), std::forward<A1>(a1), std::forward<A2>(a2), std::forward<A3>(a3),
        std::forward<A4>(a4), std::forward<A5>(a5), std::forward<A6>(a6));
  }
  template <class F, class A1, class A2, class A3, class A4, class A5, class A6, class A7>
    requires detail::startable<F, A1, A2, A3, A4, A5, A6, A7>
  auto go(F&& f, A1&& a1, A2&& a2, A3&& a3, A4&& a4, A5&& a5, A6&& a6, A7&& a7,
          std::source_location site = std::source_location::current()) {
    return start<F, A1, A2, A3, A4, A5, A6, A7>(
        site, std::forward<F>(f), std::forward<A1>(a1), std::forward<A2>(a2), std::forward<A3>(a3),
        std::forward<A4>(a4), std::forward<A5>(a5), std::forward<A6>(a6), std::forward<A7>(a7));
  }
  template <class F, class A1, class A2, class A3, class A4, class A5, class A6, class A7, class A8>
    requires detail::startable<F, A1, A2, A3, A4, A5, A6, A7, A8>
  auto go(F&& f, A1&& a1, A2&& a2, A3&& a3, A4&& a4, A5&& a5, A6&& a6, A7&& a7, A8&& a8,
          std::source_location site = std::source_location::current()) {
    return start<F, A1, A2, A3, A4, A5, A6, A7, A8>(
        site, std::forward<F>(f), std::forward<A1>(a1), std::forward<A2>(a2), std::forward<A3>(a3),
        std::forward<A4>(a4), std::forward<A5>(a5), std::forward<A6>(a6), std::forward<A7>(a7),
        std::forward<A8>(a8));
  }

  template <class T, class... A>
  void go(task<T>, A&&...) = delete;  // go: write go(f, args...), not go(f(args...))
  template <class F, class... A>
    requires detail::not_startable<F, A...>
  void go(F&&, A&&...) = delete;  // go: f cannot be called with copies of the arguments

  /// Asks all routines to stop, waits up to `grace`, and, if all have ended, ends the workers.
  /// Returns: the routines that have not ended; empty: the executor is shut down.
  /// Routines started from now on begin with a stop request. May be called again.
  std::vector<straggler> shutdown(duration grace);

  executor_info info() const;

  /// For the library.
  detail::executor_core& core() const noexcept;

 private:
  template <class F, class... A>
  auto start(std::source_location site, F&& f, A&&... a) {
    return join_handle<detail::routine_value_t<F, A...>>(
        detail::start_routine({&core(), site}, std::forward<F>(f), std::forward<A>(a)...));
  }

  friend std::unique_ptr<executor> detail::begin_run(const executor_options& options);
  friend void detail::end_run(std::unique_ptr<executor> ex, duration grace) noexcept;

  std::unique_ptr<detail::executor_impl> impl_;
};

/// Runs f(args...) as the main routine of an executor of its own: `int main() { return run(app); }`.
/// When it returns, all other routines are asked to stop; those that have not ended after the grace
/// (executor_options::shutdown_grace) are named, and left behind.
/// Deadlock: when every routine waits, and nothing that could end a wait is pending (no operation,
/// timer, blocking call or signal), and the process has no thread but those of this executor and the
/// caller, it ends with code 2: "fatal error: all routines are asleep - deadlock!" and the dump, as in
/// Go. With other threads or executors, which could still wake a routine, it is a warning.
/// Meanwhile SIGQUIT (Ctrl-\) writes dump() to stderr, whatever the workers do, unless the program has a handler of its own for
/// it, or ignores it. run() catches no other signal, an executor none.
/// Returns: what f's task returns; 0 for task<void>. Errors: rethrows what it threw; throws what the
/// executor's constructor throws.
template <class F, class... A>
  requires detail::startable<F, A...>
auto run(const executor_options& options, F&& f, A&&... a);

template <class F, class... A>
  requires detail::startable<F, A...>
auto run(F&& f, A&&... a) {
  return run(executor_options{}, std::forward<F>(f), std::forward<A>(a)...);
}

// Implementation

namespace detail {

/// Sees to end_run on every way out.
class run_guard {
 public:
  explicit run_guard(const executor_options& o) : ex_(begin_run(o)), grace_(o.shutdown_grace) {}
  run_guard(const run_guard&) = delete;
  run_guard& operator=(const run_guard&) = delete;
  ~run_guard() { end_run(std::move(ex_), grace_); }
  executor& get() noexcept { return *ex_; }

 private:
  std::unique_ptr<executor> ex_;
  duration grace_;
};

}  // namespace detail

template <class F, class... A>
  requires detail::startable<F, A...>
auto run(const executor_options& options, F&& f, A&&... a) {
  using value = detail::routine_value_t<F, A...>;
  detail::run_guard guard(options);
  join_handle<value> main_routine(
      detail::start_routine({&guard.get().core(), std::source_location::current(), "main"},
                            std::forward<F>(f), std::forward<A>(a)...));
  detail::wait_for_main(guard.get(), main_routine.id());
  if constexpr (std::is_void_v<value>) {
    std::move(main_routine).get();
    return 0;
  } else {
    return std::move(main_routine).get();
  }
}

}  // namespace sluice
