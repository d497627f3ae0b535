// SPDX-License-Identifier: MIT
// The program of the README.
#include <sluice/sluice.hpp>

#include <cstdio>

using namespace sluice;

task<> produce(send_chan<int> out) {
  for (int i = 1; i <= 10; ++i)
    co_await out.send(i);
  out.close();
}

task<int> app() {
  chan<int> numbers(4);
  go(produce, numbers);
  int sum = 0;
  while (auto n = co_await numbers.recv())
    sum += *n;
  std::printf("the numbers to 10 make %d\n", sum);
  co_return 0;
}

int main() {
  return run(app);
}
