// SPDX-License-Identifier: MIT
// The program of all consumers here: it compiles against the headers, links, and runs a routine
// that parks and is woken on whatever reactor the machine offers.
#include <sluice/sluice.hpp>

namespace {

sluice::task<int> answer() {
  co_return 42;
}

sluice::task<int> app() {
  auto handle = sluice::go(answer);
  const int value = co_await std::move(handle);
  co_return value == 42 ? 0 : 1;
}

}  // namespace

int main() {
  return sluice::run(app);
}
