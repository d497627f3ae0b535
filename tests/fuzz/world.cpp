// SPDX-License-Identifier: MIT
#include "fuzz/world.hpp"

#include <sluice/clock.hpp>

#include <algorithm>
#include <functional>
#include <utility>

#include <fmt/format.h>

#include <poll.h>
#include <unistd.h>

namespace sluice_fuzz {

namespace {

constexpr std::array<std::string_view, static_cast<std::size_t>(what::count_of_them)> names{
    "spawned", "detached", "sent",   "received", "tried",   "closed",  "slept",     "yielded",
    "joined",  "blocked",  "nested", "thrown",   "filed",   "piped",   "cancelled", "settled",
    "waited",  "stopped",  "won",    "made",     "ended",   "entered", "expired",   "shielded",
    "cleaned", "told",     "after",  "recalled", "grouped", "failed",  "lost",      "queued"};

bool is_ready(int fd, short events) {
  pollfd one{fd, events, 0};
  return ::poll(&one, 1, 0) == 1 && (one.revents & events) != 0;
}

}  // namespace

std::string_view to_string(what w) noexcept {
  return names[static_cast<std::size_t>(w)];
}

world::world(const limits& l) : rng(l.seed), limit(l), steps_(l.steps) {
  tracking_book::current() = {};
}

world::~world() {
  for (const pipe& p : pipes) {
    ::close(p.in);
    ::close(p.out);
  }
}

void tally::add(const tally& o) {
  const auto plus = [](auto& to, const auto& from) {
    std::transform(to.begin(), to.end(), from.begin(), to.begin(), std::plus<>());
  };
  plus(of, o.of);
  plus(stopped_in, o.stopped_in);
  plus(won_in, o.won_in);
}

// ---- the oracle

bool world::begins(actor& a, wait_for kind) {
  look();
  note(what::waited, a, static_cast<int>(kind), a.must_stop() ? 1 : 0);
  a.waits = kind;
  a.stream = nullptr;
  if (a.must_stop()) {
    a.settled = due::stop;
    return false;
  }
  switch (kind) {
    case wait_for::operation:
      a.settled = due::either;
      break;
    case wait_for::turn:
      a.settled = due::ready;
      break;
    default:
      a.settled = due::open;
      break;
  }
  return true;
}

void world::went_on(actor& a) {
  look();
  due d = a.due_of();
  if (a.waits == wait_for::sleep && d == due::open && sluice::clock::now() >= a.until) {
    d = due::ready;
  }
  expect(d != due::stop, a, "went on, though it was asked to stop before its wait was completed");
  expect(d != due::open, a, "went on, though nothing has ended its wait");
  if (a.must_stop()) {
    note(what::won, a, static_cast<int>(a.waits));
    ++count.won_in[static_cast<std::size_t>(a.waits)];
  }
  a.waits = wait_for::nothing;
}

void world::is_unwound(actor& a) noexcept {
  look();
  expect(a.must_stop(), a, "is unwound, though nothing asks it to stop where it stands");
  if (std::exchange(a.unwinding, true)) return;
  const due d = a.due_of();
  expect(a.waits != wait_for::nothing && a.waits != wait_for::start, a,
         "was stopped outside of a wait");
  expect(d == due::stop || d == due::either, a,
         "was stopped, though its wait was completed before: the result is lost");
  ++count.stopped_in[static_cast<std::size_t>(a.waits)];
}

void world::goes_on(actor& a) noexcept {
  look();
  a.unwinding = false;
  a.waits = wait_for::nothing;
}

void world::ends(actor& a) noexcept {
  look();
  if (a.end == ending::none) {
    is_unwound(a);
    a.end = ending::stopped;
  } else if (a.throws_stop && a.must_stop()) {
    a.end = ending::stopped;  // told of a stop by a join, and asked to stop itself
  }
  note(what::stopped, a, static_cast<int>(a.end), static_cast<int>(a.waits));
  a.waits = wait_for::nothing;
  --live;
  if (a.member_of != nullptr) a.member_of->one_ends(a.end == ending::stopped);
  if (actor* j = std::exchange(a.joiner, nullptr)) j->settled = due::ready;
}

/// It must stop: what that does to the wait that it is in.
void world::stop_wait(actor& a) {
  const due d = a.due_of();
  if (a.waits == wait_for::channel && d == due::open) {
    a.op.in->withdraw(a.op);
    a.settled = due::stop;
  } else if (a.waits == wait_for::sleep && d == due::open) {
    // Due already, it may have been woken, or not yet.
    a.settled = a.until > sluice::clock::now() ? due::stop : due::either;
  } else if (a.waits == wait_for::join && d == due::open) {
    a.target->joiner = nullptr;
    a.settled = due::stop;
  } else if (a.waits == wait_for::join && a.target != nullptr && a.target->end == ending::stopped) {
    a.settled = due::stop;  // that the target was stopped is no result
  } else if ((a.waits == wait_for::done || a.waits == wait_for::room) && d == due::open) {
    a.settled = due::stop;
  } else if (a.waits == wait_for::group) {
    a.group->is_cancelled_by(sluice::errc::canceled);
  }
}

void world::cancel(actor& by, actor& a) {
  look();
  note(what::cancelled, by, a.id, static_cast<int>(a.waits));
  a.asked = true;
  if (a.end == ending::none && a.must_stop()) stop_wait(a);
  a.handle.cancel();
}

void world::look() {
  if (!contexts.look()) return;
  for (actor& a : actors) {
    if (a.end != ending::none || a.unwinding) continue;
    if (a.waits == wait_for::done && a.awaited->cancelled && a.settled != due::either) {
      a.settled = due::ready;  // this is told, be it that a stop was first
    } else if (a.must_stop()) {
      stop_wait(a);
    }
  }
}

void world::cancel_context(actor& by, context_entry& e, std::error_code cause) {
  look();
  if (!e.owner) return;
  note(what::ended, by, e.id, e.cancelled ? 1 : 0);
  if (!cause) cause = sluice::errc::canceled;
  if (!e.cancelled) e.reasons.push_back(cause);
  e.owner->cancel(cause);
  look();
  expect(e.cancelled, by, "cancelled a context that is open still");
}

void world::check_settled() {
  look();
  note(what::settled, actors[0], live);
  contexts.check_settled(sluice::clock::now());
  for (const actor& a : actors) {
    if (a.id != 0 && a.end == ending::none) check_waits(a);
  }
}

void world::check_waits(const actor& a) {
  if (a.waits == wait_for::start && a.member_of != nullptr && a.member_of->is_full()) return;
  expect(a.waits != wait_for::start, a, "is never started");
  expect(a.waits != wait_for::nothing && a.waits != wait_for::turn, a, "can run, and does not");
  const due d = a.due_of();
  if (a.waits == wait_for::group) {
    expect(a.group->live != 0, a, "waits for a group that has nobody left");
  } else if (a.waits != wait_for::operation) {
    expect(d == due::open, a, "waits on, though its wait was ended: a lost wake-up");
  }
  if (a.waits == wait_for::sleep) {
    expect(a.until > sluice::clock::now(), a, "sleeps on, though it is due");
  }
  if (a.waits != wait_for::operation) return;
  expect(!a.must_stop(), a, "waits for an operation, though it was asked to stop");
  expect(a.stream != nullptr, a, "waits for a file that is never waited for");
  if (a.stream == nullptr) return;
  expect(!is_ready(a.writes ? a.stream->out : a.stream->in, a.writes ? POLLOUT : POLLIN), a,
         "waits for a pipe that is ready");
}

void world::check_over() {
  const actor& main = actors[0];
  expect(live == 0, main, "routines are left");
  for (const actor& a : actors) {
    expect(a.end != ending::none || a.id == 0, a, "has never ended");
    expect(!a.handle, a, "has a handle left");
  }
  look();
  for (const context_entry& e : contexts.entries) {
    expect(e.cancelled || !e.can_end, main, "a context has never ended");
  }
  for (const after_end& f : after_ends) {
    expect(f.runs == (f.recalled || !f.of->can_end ? 0 : 1), main,
           "a function of an ended context has run too often, or not at all");
  }
  for (channel& c : channels) {
    expect(c.model.waiting() == 0, main, "the model has waiters left");
    expect(c.real.len() == c.model.len(), main, "a buffer is not as long as it must be");
  }
  for (pipe& p : pipes) {
    char rest[512];
    while (is_ready(p.in, POLLIN)) {
      const ssize_t n = ::read(p.in, rest, sizeof rest);
      if (n <= 0) break;
      p.read += static_cast<std::uint64_t>(n);
      for (ssize_t i = 0; i < n; ++i)
        p.read_sum += static_cast<unsigned char>(rest[i]);
    }
    expect(p.read == p.written && p.read_sum == p.written_sum, main,
           "bytes of a pipe are lost or doubled");
  }
  channels.clear();
  const tracking_book& book = tracking_book::current();
  if (const int lost = book.unaccounted(); lost >= 0) {
    fail(&main, fmt::format("value {} was made {} times and ended {} times", lost,
                            book.values[static_cast<std::size_t>(lost)].made,
                            book.values[static_cast<std::size_t>(lost)].ended));
  }
  expect(book.guards == 0, main, "guards in frames were destroyed too often, or not at all");
  expect(book.objects == 0, main, "values were destroyed too often, or not at all");
  expect(book.broken == 0, main, "an object was used after its end, or copied bit by bit");
}

// ---- choices

actor& world::new_actor(bool kept) {
  return actors.emplace_back(static_cast<int>(actors.size()), limit.seed, kept);
}

channel& world::some_channel(actor& a) {
  if (may_wait_for_ever(a) && a.rng.below(24) == 0) return nil;
  return channels[a.rng.below(static_cast<std::uint32_t>(channels.size()))];
}

context_entry* world::some_owned_context(actor& a) {
  const std::size_t n = contexts.entries.size();
  if (n == 0) return nullptr;
  const std::size_t at = a.rng.below(static_cast<std::uint32_t>(n));
  for (std::size_t i = 0; i != n; ++i) {
    context_entry& e = contexts.entries[(at + i) % n];
    if (e.owner) return &e;
  }
  return nullptr;
}

actor* world::some_joinable(actor& a) {
  // Those that started later: routines that wait for each other would wait for ever.
  const auto n = static_cast<std::uint32_t>(actors.size());
  const auto first = static_cast<std::uint32_t>(a.id) + 1;
  if (first >= n) return nullptr;
  const std::uint32_t at = a.rng.below(n - first);
  for (std::uint32_t i = 0; i != n - first; ++i) {
    actor& t = actors[first + (at + i) % (n - first)];
    if (!t.kept && t.handle) return &t;
  }
  return nullptr;
}

actor* world::some_running(actor& a) {
  const auto n = static_cast<std::uint32_t>(actors.size());
  const std::uint32_t at = a.rng.below(n);
  for (std::uint32_t i = 0; i != n; ++i) {
    actor& t = actors[(at + i) % n];
    // Those that have ended too, now and then.
    if (t.handle && (t.end == ending::none || a.rng.below(8) == 0)) return &t;
  }
  return nullptr;
}

// ---- the record

void world::note(what kind, const actor& a, std::int64_t x, std::int64_t y) {
  ++count.of[static_cast<std::size_t>(kind)];
  for (const std::int64_t part : {std::int64_t{static_cast<int>(kind)}, std::int64_t{a.id}, x, y}) {
    digest_ = (digest_ ^ static_cast<std::uint64_t>(part)) * 0x100000001B3u;  // FNV-1a's prime
  }
  if (limit.keeps_history) history_.push_back({kind, a.id, x, y});
}

void world::fail(const actor* a, std::string_view text) noexcept {
  if (!failure_.empty()) return;  // the first one tells; others follow from it
  failure_ = a != nullptr && a->id != 0 ? fmt::format("routine {} {}", a->id, text)
                                        : fmt::format("program: {}", text);
}

void world::fail_with(std::string_view text) {
  failure_ = failure_.empty() ? std::string(text) : fmt::format("{}\nand {}", text, failure_);
}

const std::string& world::failure() const {
  return failure_.empty() ? contexts.failure() : failure_;
}

std::string world::history() const {
  std::string text;
  constexpr std::size_t most = 60;
  const std::size_t from = history_.size() > most ? history_.size() - most : 0;
  for (std::size_t i = from; i != history_.size(); ++i) {
    const happened& h = history_[i];
    text += fmt::format("  routine {:<3} {:<10} {} {}\n", h.actor, to_string(h.kind), h.a, h.b);
  }
  return text;
}

}  // namespace sluice_fuzz
