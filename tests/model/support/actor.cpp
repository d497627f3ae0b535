// SPDX-License-Identifier: MIT
#include "model/support/actor.hpp"

#include <cstddef>

namespace model_test {

namespace {
// Never looked into.
alignas(sd::executor_core) std::byte some_executor[sizeof(sd::executor_core)];
}  // namespace

actor::actor() {
  hop = reinterpret_cast<sd::worker*>(worker_);
  hop->end = sd::verdict::parked;
  hop->awaits_left = sd::awaits_in_a_turn;  // no program is that long
  executor = reinterpret_cast<sd::executor_core*>(some_executor);
  phase.store(sd::routine_phase::live, std::memory_order_relaxed);
}

void actor::await_turn() {
  model::wait_until("its turn", [this] { return runnable.latest() != 0; });
  runnable.fetch_sub(1, std::memory_order_acquire);  // acquire: as the pop of a queue
  hop->end = sd::verdict::parked;
  claim.run();
}

}  // namespace model_test

namespace sluice::detail {

void executor_core::inject(routine& r) noexcept {
  model::require(r.claim.peek() == claim_word::claimed,
                 "a routine is scheduled that was not claimed");
  auto& a = static_cast<model_test::actor&>(r);
  // release: as the push to a queue
  const int before = a.runnable.fetch_add(1, std::memory_order_release);
  model::require(before == 0, "a routine is made runnable twice");
}

void executor_core::inject(routine*, routine*, std::size_t) noexcept {
  model::fail("one actor is a full batch");
}

void worker::push_next(routine&) noexcept {
  model::fail("there is no worker");
}

void worker::push_shared(routine*, routine*, std::size_t) noexcept {
  model::fail("there is no worker");
}

bool worker::ends_turn() noexcept {
  model::fail("a turn has ended");
}

}  // namespace sluice::detail
