// SPDX-License-Identifier: MIT
// A consumer's own test: the same kind of program in a bubble of sluice::testing, where an hour
// passes at once.
#include <sluice/sluice.hpp>
#include <sluice/testing/bubble.hpp>

namespace {

sluice::task<int> answer() {
  co_await sluice::sleep_for(std::chrono::hours(1));
  co_return 42;
}

sluice::task<int> app() {
  auto handle = sluice::go(answer);
  const int value = co_await std::move(handle);
  co_return value;
}

}  // namespace

int main() {
  return sluice::testing::bubble(app) == 42 ? 0 : 1;
}
