// SPDX-License-Identifier: MIT
// Tells contexts, and one function, of signals that have come.
//
//   handler --a bit for the signal, a wake--> the signal thread --cancel()--> contexts
//
// The handler does nothing else: whatever thread it interrupts. There is one thread for the process, while anybody
// is to be told of anything; it sleeps in futex(2) and costs nothing until a signal comes.
//
// Invariants, under the lock:
//   D1  caught is what somebody is to be told of: of the first the former disposition is kept, with the last it is put back,
//       unless another one has been put in the place of ours meanwhile
//   D2  whoever has caught a signal and finds nobody to tell leaves its bit; who puts the disposition back sends it again
//   D3  there is a thread while anybody is to be told; it leaves by itself
//
// A child of fork(2) forgets all, and has the former dispositions: its parent is to be told, not it.
//
// Rejected: signalfd, and a read of it by a worker: all threads of the program would have to block the signal, and a worker
// that is stuck in a routine's code would not see it; to show such a routine is what SIGQUIT is for.
#pragma once

#include <sluice/detail/base/immovable.hpp>

#include <array>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include <signal.h>

namespace sluice::detail {

class cancel_node;

/// Bit n - 1: signal n.
using signal_set = std::uint64_t;
constexpr signal_set bit_of(int signal) noexcept {
  return signal_set{1} << (signal - 1);
}
inline constexpr int most_signal = 64;

/// A context that is to be cancelled by signals; lies in it.
struct signal_watch : immovable {
  signal_watch(cancel_node& c, signal_set s) noexcept : context(c), signals(s) {}

  cancel_node& context;
  const signal_set signals;
  int came = 0;                  // the signal thread's, which has taken it out
  signal_watch* next = nullptr;  // likewise
};

class signal_dispatcher : immovable {
 public:
  /// Lives for ever.
  static signal_dispatcher& instance();

  /// Throws std::system_error if the thread cannot be started, std::bad_alloc: nothing has been added then.
  void add(signal_watch& w);
  /// Nothing if it has been told, or was taken out before. By who has cancelled its context.
  void remove(signal_watch& w) noexcept;

  /// Has `call` run on the signal thread whenever that signal has come and no context is to be told. One at a time.
  /// Returns: false if the signal's disposition is not the default one: nothing is changed then. Throws as add().
  bool add_call(int signal, void (*call)() noexcept);
  /// Waits for a call that runs; not from within it. Ends the thread if nobody else needs it.
  void remove_call() noexcept;

 private:
  struct came {
    signal_watch* told = nullptr;
    void (*call)() noexcept = nullptr;
  };

  template <class>
  friend union immortal;
  signal_dispatcher();
  ~signal_dispatcher() = default;

  void serve() noexcept;
  came take() noexcept;
  bool is_needed() const noexcept { return call_ != nullptr || !watches_.empty(); }
  void need_thread();
  void count(signal_set signals) noexcept;
  void discount(signal_set signals) noexcept;
  void catch_signal(int signal) noexcept;
  void put_back(int signal) noexcept;
  signal_set take_untold() noexcept;
  void unblock_caught() const noexcept;
  void forget() noexcept;

  std::mutex mu_;
  std::vector<signal_watch*> watches_;  // all below: guarded by mu_
  void (*call_)() noexcept = nullptr;
  int call_signal_ = 0;
  bool calling_ = false;
  std::condition_variable called_;
  std::thread thread_;     // who serves; not a thread: nobody does, or it is leaving
  signal_set untold_ = 0;  // have come, for nobody: to be sent again, without the lock [D2]
  std::array<unsigned, most_signal + 1> asked_{};  // how many are to be told of that signal
  std::array<struct sigaction, most_signal + 1> former_{};  // of those that are caught
};

}  // namespace sluice::detail
