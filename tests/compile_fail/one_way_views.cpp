// SPDX-License-Identifier: MIT
// A view gives one direction, and does not turn back into the channel.
// expect(gcc): has no member named 'send'
// expect(clang): no member named 'send'
#include <sluice/chan.hpp>
#include <sluice/task.hpp>

sluice::task<> user(sluice::chan<int> c) {
#ifdef SLUICE_CONTROL
  const sluice::send_chan<int> view = c;
#else
  const sluice::recv_chan<int> view = c;
#endif
  static_cast<void>(co_await view.send(1));
}
