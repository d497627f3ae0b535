// SPDX-License-Identifier: MIT
#include "os/signal_dispatcher.hpp"

#include <sluice/detail/base/atomic.hpp>
#include <sluice/os/signal.hpp>

#include "base/futex.hpp"
#include "base/immortal.hpp"
#include "base/signals_blocked.hpp"
#include "sched/cancel_node.hpp"
#include "sched/external_source.hpp"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <new>
#include <system_error>
#include <utility>

#include <pthread.h>
#include <unistd.h>

namespace sluice::detail {

namespace {

constinit atomic<signal_set> pending{0};    // have come, and nobody was told [G1]
constinit atomic<std::uint32_t> posted{0};  // futex: something is to be done [G1]
static_assert(std::atomic<signal_set>::is_always_lock_free, "a handler may use it");

void post() noexcept {
  posted.fetch_add(1, std::memory_order_release);  // release: pairs with serve() [G1]
  futex_wake_all(posted);
}

extern "C" void sluice_on_signal(int signal) {
  const int before = errno;
  pending.fetch_or(bit_of(signal), std::memory_order_relaxed);  // relaxed: ordered by posted
  post();
  errno = before;
}

bool is_ours(const struct sigaction& a) noexcept {
  return (a.sa_flags & SA_SIGINFO) == 0 && a.sa_handler == sluice_on_signal;
}

bool is_default(const struct sigaction& a) noexcept {
  return (a.sa_flags & SA_SIGINFO) == 0 && a.sa_handler == SIG_DFL;
}

template <class F>
void for_each(signal_set signals, F f) {
  for (; signals != 0; signals &= signals - 1)
    f(std::countr_zero(signals) + 1);
}

/// Whoever has the signals now gets them: perhaps on this thread, and to call back here.
void send(signal_set signals) noexcept {
  for_each(signals, [](int s) { ::kill(::getpid(), s); });
}

/// Takes the place of an object that a thread of the parent has left in some state.
template <class T>
void renew(T& of_the_parent) noexcept {
  ::new (static_cast<void*>(&of_the_parent)) T();
}

}  // namespace

signal_dispatcher& signal_dispatcher::instance() {
  // Never destroyed: contexts are cancelled by destructors of static objects too, and the thread may run.
  static immortal<signal_dispatcher> forever;
  return forever.it;
}

signal_dispatcher::signal_dispatcher() {
  const int failed =
      ::pthread_atfork([] { instance().mu_.lock(); }, [] { instance().mu_.unlock(); },
                       [] {
                         instance().forget();
                         instance().mu_.unlock();
                       });
  if (failed != 0) throw std::system_error(failed, std::system_category(), "pthread_atfork");
}

// ---- who is to be told

void signal_dispatcher::add(signal_watch& w) {
  {
    const std::lock_guard lock(mu_);
    watches_.reserve(watches_.size() + 1);
    need_thread();
    watches_.push_back(&w);
    count(w.signals);
  }
  post();  // the thread unblocks them
}

void signal_dispatcher::remove(signal_watch& w) noexcept {
  signal_set untold = 0;
  {
    const std::lock_guard lock(mu_);
    const auto at = std::find(watches_.begin(), watches_.end(), &w);
    if (at == watches_.end()) return;
    watches_.erase(at);
    discount(w.signals);
    untold = take_untold();
  }
  post();  // the thread leaves, or blocks what it need not hear of
  send(untold);
}

bool signal_dispatcher::add_call(int signal, void (*call)() noexcept) {
  {
    const std::lock_guard lock(mu_);
    struct sigaction is{};
    ::sigaction(signal, nullptr, &is);
    if (!is_default(is_ours(is) ? former_[static_cast<unsigned>(signal)] : is)) return false;
    need_thread();
    call_ = call;
    call_signal_ = signal;
    count(bit_of(signal));
  }
  post();
  return true;
}

void signal_dispatcher::remove_call() noexcept {
  std::thread leaving;
  signal_set untold = 0;
  {
    std::unique_lock lock(mu_);
    call_ = nullptr;
    discount(bit_of(call_signal_));
    called_.wait(lock, [&] { return !calling_; });
    if (!is_needed()) leaving = std::move(thread_);
    untold = take_untold();
  }
  post();
  send(untold);
  if (leaving.joinable()) leaving.join();
}

// ---- dispositions

void signal_dispatcher::count(signal_set signals) noexcept {
  for_each(signals, [&](int s) {
    if (asked_[static_cast<unsigned>(s)]++ == 0) catch_signal(s);
  });
}

void signal_dispatcher::discount(signal_set signals) noexcept {
  for_each(signals, [&](int s) {
    if (--asked_[static_cast<unsigned>(s)] == 0) put_back(s);
  });
}

void signal_dispatcher::catch_signal(int signal) noexcept {
  // relaxed: what came to a handler that others have kept and called, nobody is to be told of
  pending.fetch_and(~bit_of(signal), std::memory_order_relaxed);
  external_handler.store(sluice_on_signal, std::memory_order_relaxed);  // relaxed: a constant
  struct sigaction ours{};
  ours.sa_handler = sluice_on_signal;
  ours.sa_flags = SA_RESTART | SA_ONSTACK;
  struct sigaction former{};
  ::sigaction(signal, &ours, &former);
  // Ours may stand there still, put back by others who had kept it.
  if (!is_ours(former)) former_[static_cast<unsigned>(signal)] = former;
}

void signal_dispatcher::put_back(int signal) noexcept {
  struct sigaction is{};
  ::sigaction(signal, nullptr, &is);
  if (is_ours(is)) ::sigaction(signal, &former_[static_cast<unsigned>(signal)], nullptr);
  // relaxed: the bit is all there is
  const signal_set before = pending.fetch_and(~bit_of(signal), std::memory_order_relaxed);
  untold_ |= before & bit_of(signal);  // D2
}

signal_set signal_dispatcher::take_untold() noexcept {
  return std::exchange(untold_, 0);
}

void signal_dispatcher::unblock_caught() const noexcept {
  sigset_t blocked = all_but_faults();
  for (int s = 1; s <= most_signal; ++s) {
    if (asked_[static_cast<unsigned>(s)] != 0) ::sigdelset(&blocked, s);
  }
  ::pthread_sigmask(SIG_SETMASK, &blocked, nullptr);
}

void signal_dispatcher::forget() noexcept {
  pending.store(0, std::memory_order_relaxed);           // relaxed: the child has one thread
  external_threads.store(0, std::memory_order_relaxed);  // relaxed: likewise
  for (int s = 1; s <= most_signal; ++s) {
    if (std::exchange(asked_[static_cast<unsigned>(s)], 0U) != 0) put_back(s);
  }
  watches_.clear();
  call_ = nullptr;
  calling_ = false;
  renew(called_);
  renew(thread_);
}

// ---- the thread

void signal_dispatcher::need_thread() {
  if (thread_.joinable()) return;
  const signals_blocked blocked;
  thread_ = std::thread([this] { serve(); });
  ::pthread_setname_np(thread_.native_handle(), "sluice-signals");  // here: it has its name at once
}

void signal_dispatcher::serve() noexcept {
  const external_thread counted;
  for (;;) {
    const std::uint32_t seen = posted.load(std::memory_order_acquire);  // acquire: post() [G1]
    std::unique_lock lock(mu_);
    const bool mine = thread_.get_id() == std::this_thread::get_id();
    if (!mine || !is_needed()) {
      if (mine) thread_.detach();
      return;
    }
    const came now = take();
    calling_ = now.call != nullptr;
    const signal_set untold = take_untold();
    unblock_caught();
    lock.unlock();

    send(untold);
    for (signal_watch* w = now.told; w != nullptr;) {
      const context_ref hold(&w->context);
      signal_watch* following = w->next;
      w->context.cancel(errc::canceled, {w->came, signal_category()});
      w = following;
    }
    if (now.call != nullptr) {
      now.call();
      lock.lock();
      calling_ = false;
      called_.notify_all();
    } else if (now.told == nullptr) {
      futex_wait(posted, seen);
    }
  }
}

/// Takes out who is to be told of what has come.
signal_dispatcher::came signal_dispatcher::take() noexcept {
  came c;
  signal_set left = pending.exchange(0, std::memory_order_relaxed);  // relaxed: after posted
  signal_set taken = 0;
  const auto rest = std::remove_if(watches_.begin(), watches_.end(), [&](signal_watch* w) {
    const signal_set for_it = w->signals & left;
    if (for_it == 0 || w->context.is_cancelled()) return false;
    taken |= for_it;
    w->came = std::countr_zero(for_it) + 1;
    w->context.retain();
    w->next = std::exchange(c.told, w);
    return true;
  });
  watches_.erase(rest, watches_.end());
  left &= ~taken;
  if (call_ != nullptr && (left & bit_of(call_signal_)) != 0) {
    c.call = call_;
    left &= ~bit_of(call_signal_);
  }
  pending.fetch_or(left, std::memory_order_relaxed);  // relaxed: see put_back(), D2
  for (signal_watch* w = c.told; w != nullptr; w = w->next)
    discount(w->signals);
  return c;
}

}  // namespace sluice::detail
