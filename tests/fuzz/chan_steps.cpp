// SPDX-License-Identifier: MIT
// Steps of programs on channels: each result is the model's.
#include <sluice/error.hpp>

#include "fuzz/steps.hpp"

#include <optional>

using namespace sluice;

namespace sluice_fuzz {

namespace {

using outcome = chan_op::outcome;

void begin_send(world& w, actor& a, channel& c, int value) {
  if (w.begins(a, wait_for::channel)) c.model.send(a.op, value);
}

}  // namespace

task<> send_one(world& w, actor& a) {
  guard frame;
  channel& c = w.some_channel(a);
  const send_chan<parcel> out(c.real);
  const int number = tracking_book::current().new_value();
  parcel p(number);
  const when_stopped untouched(a, [&] {
    w.expect(p.number() == number, a, "was stopped in a send that took its value all the same");
  });
  begin_send(w, a, c, number);
  try {
    const bool sent = co_await out.send(std::move(p));
    w.went_on(a);
    w.expect(sent == (a.op.how == outcome::done), a, "sent, and the result is wrong");
    w.expect(a.op.how != outcome::panics, a, "sent to a closed channel without a panic");
  } catch (const panic_error&) {
    w.went_on(a);
    w.expect(a.op.how == outcome::panics, a, "met a panic in a send to an open channel");
  }
  w.expect((p.number() == number) == (a.op.how != outcome::done), a,
           "has its value still after a send, or has it no more");
  w.note(what::sent, a, number, static_cast<int>(a.op.how));
}

task<> emplace_one(world& w, actor& a) {
  guard frame;
  channel& c = w.some_channel(a);
  const int number = tracking_book::current().new_value();
  begin_send(w, a, c, number);
  try {
    const bool sent = co_await c.real.emplace(number);
    w.went_on(a);
    w.expect(sent == (a.op.how == outcome::done), a, "emplaced, and the result is wrong");
  } catch (const panic_error&) {
    w.went_on(a);
    w.expect(a.op.how == outcome::panics, a, "met a panic in an emplace to an open channel");
  }
  w.note(what::sent, a, number, static_cast<int>(a.op.how));
}

task<> recv_one(world& w, actor& a) {
  guard frame;
  channel& c = w.some_channel(a);
  const recv_chan<parcel> in(c.real);
  if (w.begins(a, wait_for::channel)) c.model.recv(a.op);
  const std::optional<parcel> got = co_await in.recv();
  w.went_on(a);
  w.expect(got.has_value() == (a.op.how == outcome::done), a, "received, and the result is wrong");
  w.expect(!got || got->number() == a.op.value, a, "received another value than was due");
  w.note(what::received, a, got ? got->number() : -1);
}

void try_send_one(world& w, actor& a) {
  w.look();
  channel& c = w.some_channel(a);
  const int number = tracking_book::current().new_value();
  parcel p(number);
  const outcome must = c.model.try_send(number);
  try {
    const bool sent = a.rng.below(2) == 0 ? c.real.try_send(std::move(p))
                                          : send_chan<parcel>(c.real).try_send(std::move(p));
    w.expect(sent == (must == outcome::done), a, "tried to send, and the result is wrong");
  } catch (const panic_error&) {
    w.expect(must == outcome::panics, a, "met a panic in a try_send to an open channel");
  }
  w.expect((p.number() == number) == (must != outcome::done), a,
           "has its value still after a try_send, or has it no more");
  w.note(what::tried, a, number, static_cast<int>(must));
}

void try_recv_one(world& w, actor& a) {
  w.look();
  channel& c = w.some_channel(a);
  const chan_op must = c.model.try_recv();
  const std::optional<parcel> got =
      a.rng.below(2) == 0 ? c.real.try_recv() : recv_chan<parcel>(c.real).try_recv();
  w.expect(got.has_value() == (must.how == outcome::done), a,
           "tried to receive, and the result is wrong");
  w.expect(!got || got->number() == must.value, a, "took another value than was due");
  w.note(what::tried, a, got ? got->number() : -1);
}

void close_one(world& w, actor& a) {
  w.look();
  channel& c = w.some_channel(a);
  const bool receiving = a.rng.below(2) == 0;
  w.note(what::closed, a, receiving ? 1 : 0, static_cast<int>(c.model.len()));
  if (receiving) {
    c.model.close_recv();
    c.real.close_recv();
    return;
  }
  const bool panics = !c.model.close();
  try {
    c.real.close();
    w.expect(!panics, a, "closed a closed channel without a panic");
  } catch (const panic_error&) {
    w.expect(panics, a, "met a panic in a close of an open channel");
  }
}

void look_at_one(world& w, actor& a) {
  const channel& c = w.some_channel(a);
  w.expect(c.real.len() == c.model.len(), a, "sees a buffer of a wrong length");
  w.expect(c.model.is_nil() || c.real.drained() == c.model.drained(), a,
           "is told wrongly whether a channel is drained");
}

}  // namespace sluice_fuzz
