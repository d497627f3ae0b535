// SPDX-License-Identifier: MIT
// What is known of each routine of a program, and what its wait must come to: the oracle.
//
//   due       the wait                                        then the routine
//   open      nothing has ended it                            must not run
//   ready     it was completed                                must go on with the result
//   stop      a stop request came first, or before the wait   must be unwound
//   either    both are right: the reactor or the clock says   may do either
// A wait that is ready stays ready when a stop request comes: a completed result wins.
#pragma once

#include <sluice/clock.hpp>
#include <sluice/go.hpp>

#include "base/random.hpp"
#include "fuzz/chan_model.hpp"
#include "fuzz/tracked.hpp"

#include <cstddef>
#include <cstdint>

namespace sluice_fuzz {

enum class wait_for : unsigned char { start, nothing, channel, sleep, join, operation, turn };
inline constexpr std::size_t wait_kinds = 7;
enum class due : unsigned char { open, ready, stop, either };
enum class ending : unsigned char { none, returned, threw, stopped };

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
  due settled = due::ready;  // of the wait, but for channels: see due_of()
  bool stop_requested = false;
  ending end = ending::none;
  bool throws_stop = false;       // of `threw`: a stopped_error
  chan_op op;                     // a wait for a channel
  sluice::time_point until{};     // a sleep
  actor* target = nullptr;        // a join
  actor* joiner = nullptr;        // who waits to join it
  struct pipe* stream = nullptr;  // an operation on a pipe
  bool writes = false;            // of it

  due due_of() const {
    if (waits != wait_for::channel || settled == due::stop) return settled;
    return op.how == chan_op::outcome::waiting ? due::open : due::ready;
  }
};

}  // namespace sluice_fuzz
