// SPDX-License-Identifier: MIT
// What is known of each routine of a program, and what its wait must come to: the oracle.
//
//   due       the wait                                        then the routine
//   open      nothing has ended it                            must not run
//   ready     it was completed                                must go on with the result
//   stop      a stop request came first, or before the wait   must be unwound, up to a boundary
//   either    both are right: the reactor or the clock says   may do either
// A wait that is ready stays ready when a stop request comes: a completed result wins.
#pragma once

#include <sluice/clock.hpp>
#include <sluice/go.hpp>

#include "base/random.hpp"
#include "fuzz/chan_model.hpp"
#include "fuzz/context_model.hpp"
#include "fuzz/tracked.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace sluice_fuzz {

enum class wait_for : unsigned char {
  start,
  nothing,
  channel,
  sleep,
  join,
  operation,
  turn,
  done,   // of a context
  room,   // in a group
  group,  // its routines
  calm,   // nothing: where a stop goes on that was held up by a cleanup
};
inline constexpr std::size_t wait_kinds = 11;
enum class due : unsigned char { open, ready, stop, either };
enum class ending : unsigned char { none, returned, threw, stopped };

/// Where a routine stands: in a context, and whether its handle's cancel reaches it there.
struct place {
  context_entry* in = nullptr;  // null: the background
  bool shielded = false;
};

struct actor {
  actor(int number, std::uint64_t seed, bool is_kept)
      : id(number),
        kept(is_kept),
        result(tracking_book::current().new_value()),
        rng(seed * 0x100000001B3u + static_cast<std::uint64_t>(number)) {}

  const int id;
  const bool
      kept;  // its handle stays in the program until the end: it may wait for ever, and throw
  const int result;  // the number of the value that it returns
  sluice::detail::random rng;
  sluice::join_handle<parcel> handle;  // until it is joined or dropped

  wait_for waits = wait_for::start;
  due settled = due::ready;      // of the wait, but for channels: see due_of()
  bool asked = false;            // to stop, by its handle
  bool unwinding = false;        // its frames are being destroyed, up to a boundary
  std::vector<place> places{1};  // the first: that it was started in
  ending end = ending::none;
  bool throws_stop = false;                // of `threw`: a stopped_error
  chan_op op;                              // a wait for a channel
  sluice::time_point until{};              // a sleep
  actor* target = nullptr;                 // a join; null: it had ended before
  actor* joiner = nullptr;                 // who waits to join it
  struct pipe* stream = nullptr;           // an operation on a pipe
  bool writes = false;                     // of it
  const context_entry* awaited = nullptr;  // a context that is to end
  struct group_model* group = nullptr;     // whose routines, or for room in which, it waits
  struct group_model* member_of = nullptr;

  /// Whether there is a reason to stop, here.
  bool must_stop() const {
    const place& p = places.back();
    return (asked && !p.shielded) || (p.in != nullptr && p.in->cancelled);
  }

  due due_of() const {
    if (waits != wait_for::channel || settled == due::stop) return settled;
    return op.how == chan_op::outcome::waiting ? due::open : due::ready;
  }
};

}  // namespace sluice_fuzz
