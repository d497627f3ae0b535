// SPDX-License-Identifier: MIT
// One program: its routines, channels and pipes, what they have done so far, and what is wrong.
//
// A program is made up while it runs. What a routine does next is drawn from its own generator, out of
// what is there to be done; the bubble of the same seed says who runs next. So a seed is a program and
// a run, and a smaller budget of steps is the same run, ended earlier.
#pragma once

#include <sluice/chan.hpp>

#include "base/fibre.hpp"
#include "base/random.hpp"
#include "fuzz/actor.hpp"
#include "fuzz/chan_model.hpp"
#include "fuzz/context_model.hpp"
#include "fuzz/group_model.hpp"
#include "fuzz/tracked.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace sluice_fuzz {

/// What is noted of a run; the names stand in world.cpp.
enum class what : unsigned char {
  spawned,
  detached,
  sent,
  received,
  tried,
  closed,
  slept,
  yielded,
  joined,
  blocked,
  nested,
  thrown,
  filed,
  piped,
  cancelled,
  settled,
  waited,
  stopped,
  won,       // a wait that was completed, though the routine had been asked to stop
  made,      // a context
  ended,     // a context, by cancel()
  entered,   // a context or another boundary
  expired,   // a boundary gave an error
  shielded,  // a boundary was left with a stop that it held up
  cleaned,   // a cleanup behind a stop
  told,      // that a context has ended
  after,     // a function ran once a context had ended
  recalled,  // one was taken back in time
  grouped,   // a group ended well
  failed,    // a group
  lost,      // a group, which was stopped
  queued,    // a routine of a group, for room
  count_of_them,
};
std::string_view to_string(what w) noexcept;

/// How often what happened, over one program or many.
struct tally {
  std::array<unsigned long, static_cast<std::size_t>(what::count_of_them)> of{};
  std::array<unsigned long, wait_kinds> stopped_in{};  // routines, by the wait they were in
  std::array<unsigned long, wait_kinds> won_in{};  // waits that a stop request came too late for

  void add(const tally& o);
};

struct happened {
  what kind;
  int actor;
  std::int64_t a;
  std::int64_t b;
};

/// The exceptions that programs throw.
struct fuzz_error : std::runtime_error {
  explicit fuzz_error(int number) : std::runtime_error("fuzz"), thrower(number) {}
  int thrower;
};

struct channel {
  channel(sluice::chan<parcel> c, std::size_t capacity, bool is_nil)
      : real(std::move(c)), model(capacity, is_nil) {}
  sluice::chan<parcel> real;
  chan_model model;
};

/// A function that is to run once a context has ended.
struct after_end {
  explicit after_end(const context_entry& e) noexcept : of(&e) {}
  const context_entry* const of;
  std::optional<sluice::after_func_handle> handle;
  bool recalled = false;
  int runs = 0;
};

/// A pipe, and the bytes that went through it.
struct pipe {
  int in = -1, out = -1;
  std::uint64_t written = 0, read = 0;          // bytes
  std::uint64_t written_sum = 0, read_sum = 0;  // of their values
};

struct limits {
  std::uint64_t seed = 1;
  int steps = 1 << 30;         // at most so many are taken
  const char* dir = nullptr;   // for files; null: none
  bool keeps_history = false;  // for the report; the digest is made in any case
};

class world {
 public:
  explicit world(const limits& l);
  world(const world&) = delete;
  world& operator=(const world&) = delete;
  ~world();

  // --- what a routine is about to do, and what came of it

  /// Before a co_await. Returns: false if the routine must be stopped there, without any effect.
  bool begins(actor& a, wait_for kind);
  /// Behind it; the await returned or threw.
  void went_on(actor& a);
  /// A frame is destroyed that has neither returned nor thrown.
  void is_unwound(actor& a) noexcept;
  /// Behind a boundary at which the unwinding has ended.
  void goes_on(actor& a) noexcept;
  /// A routine has left its last frame, one way or another. Completes who waits to join it.
  void ends(actor& a) noexcept;
  /// Asks a routine to stop, in truth and in the model.
  void cancel(actor& by, actor& a);

  /// Notices the contexts that have ended by now, and what that does to the routines in them.
  void look();
  void cancel_context(actor& by, context_entry& e, std::error_code cause);

  /// All others wait for something that only the clock or the main routine can bring.
  void check_settled();
  /// Behind the bubble: nothing is left, and all adds up.
  void check_over();

  // --- choices

  bool take_step() { return steps_ > 0 && steps_-- > 0; }
  actor& new_actor(bool kept);
  channel& some_channel(actor& a);
  /// One that can be cancelled by cancel_context(), preferably; null if there is none.
  context_entry* some_owned_context(actor& a);
  /// Whether a wait without end may be begun: it must be ended by a cancel of the handle then.
  static bool may_wait_for_ever(const actor& a) { return a.kept && !a.places.back().shielded; }
  /// One with a handle still, that started later than `a`; null if there is none.
  actor* some_joinable(actor& a);
  actor* some_running(actor& a);

  // --- the record

  void note(what kind, const actor& a, std::int64_t x = 0, std::int64_t y = 0);
  void fail(const actor* a, std::string_view text) noexcept;
  void expect(bool right, const actor& a, std::string_view text) {
    if (!right) [[unlikely]]
      fail(&a, text);
  }
  /// The bubble has given up. What failed while it was cleared away is of no interest.
  void fail_with(std::string_view text);
  const std::string& failure() const;
  std::uint64_t digest() const { return digest_; }
  std::string history() const;

  sluice::detail::random rng;
  const limits& limit;
  std::deque<actor> actors;  // 0: the main routine
  std::deque<channel> channels;
  std::deque<pipe> pipes;
  context_model contexts;
  std::deque<group_model> groups;
  std::deque<after_end> after_ends;
  channel nil{sluice::chan<parcel>(), 0, true};
  tally count;
  int live = 0;  // routines that were started and have not left their last frame

 private:
  // The model is of one thread, whose routines take turns.
  [[no_unique_address]] sluice::detail::fibres_off one_thread_;
  void stop_wait(actor& a);
  void check_waits(const actor& a);

  int steps_;
  std::string failure_;
  std::uint64_t digest_ = 0xcbf29ce484222325u;  // FNV-1a's offset basis
  std::vector<happened> history_;
};

}  // namespace sluice_fuzz
