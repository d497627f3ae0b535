// SPDX-License-Identifier: MIT
// expect(gcc): conversion from 'const sluice::recv_chan<int>' to non-scalar type
// expect(clang): no viable conversion from
#include <sluice/chan.hpp>

void user(const sluice::chan<int>& c) {
#ifdef SLUICE_CONTROL
  const sluice::recv_chan<int> view = c;
  sluice::recv_chan<int> back = view;
#else
  const sluice::recv_chan<int> view = c;
  sluice::chan<int> back = view;
#endif
  back.close_recv();
}
