// SPDX-License-Identifier: MIT
#include "fuzz/chan_model.hpp"

#include <algorithm>

namespace sluice_fuzz {

using outcome = chan_op::outcome;

void chan_model::send(chan_op& op, int value) {
  op = {outcome::waiting, true, value, this};
  if (nil_) return;
  if (closed_) {
    op.how = outcome::panics;
  } else if (recv_closed_) {
    op.how = outcome::refused;
  } else if (!receivers_.empty()) {
    chan_op& to = *receivers_.front();
    receivers_.pop_front();
    to.value = value;
    to.how = op.how = outcome::done;
  } else if (buffer_.size() < capacity_) {
    buffer_.push_back(value);
    op.how = outcome::done;
  } else {
    senders_.push_back(&op);
  }
}

/// Takes the oldest value, buffered or a sender's; the place goes to the first sender that waits.
bool chan_model::take(int& value) {
  if (buffer_.empty() && senders_.empty()) return false;
  if (!senders_.empty()) {
    chan_op& from = *senders_.front();
    senders_.pop_front();
    buffer_.push_back(from.value);
    from.how = outcome::done;
  }
  value = buffer_.front();
  buffer_.pop_front();
  return true;
}

void chan_model::recv(chan_op& op) {
  op = {outcome::waiting, false, -1, this};
  if (nil_) return;
  if (recv_closed_) {
    op.how = outcome::nothing;
  } else if (take(op.value)) {
    op.how = outcome::done;
  } else if (closed_) {
    op.how = outcome::nothing;
  } else {
    receivers_.push_back(&op);
  }
}

void chan_model::withdraw(chan_op& op) {
  std::erase(op.sends ? senders_ : receivers_, &op);
}

outcome chan_model::try_send(int value) {
  chan_op op;
  send(op, value);
  if (op.how == outcome::waiting) withdraw(op);
  return op.how;
}

chan_op chan_model::try_recv() {
  chan_op op;
  if (take(op.value)) op.how = outcome::done;  // after close_recv() too
  return op;
}

bool chan_model::close() {
  if (nil_ || closed_) return false;
  closed_ = true;
  end_all(receivers_, outcome::nothing);
  end_all(senders_, outcome::panics);
  return true;
}

void chan_model::close_recv() {
  if (nil_) return;
  recv_closed_ = true;
  end_all(receivers_, outcome::nothing);
  end_all(senders_, outcome::refused);
}

void chan_model::end_all(queue& q, outcome how) {
  for (chan_op* op : q)
    op->how = how;
  q.clear();
}

}  // namespace sluice_fuzz
