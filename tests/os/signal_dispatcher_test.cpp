// SPDX-License-Identifier: MIT
// The signal thread's function, and signals that come while nobody is left to be told.
#include "os/signal_dispatcher.hpp"

#include <sluice/context.hpp>
#include <sluice/os/signal.hpp>

#include "os/dispositions.hpp"
#include "sched/cancel_node.hpp"

#include <atomic>
#include <csignal>
#include <optional>
#include <semaphore>
#include <thread>

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice_test;
using detail::signal_dispatcher;

namespace {

std::binary_semaphore called{0};
std::binary_semaphore may_return{0};
std::atomic<int> returned{0};

void call() noexcept {
  called.release();
  may_return.acquire();
  for (int i = 0; i < 1000; ++i)  // who does not wait for the end is first
    std::this_thread::yield();
  returned.fetch_add(1);
}

/// The thread is in call() meanwhile.
class busy_dispatcher {
 public:
  busy_dispatcher() {
    REQUIRE(signal_dispatcher::instance().add_call(SIGUSR2, call));
    ::raise(SIGUSR2);
    called.acquire();
  }
  busy_dispatcher(const busy_dispatcher&) = delete;
  busy_dispatcher& operator=(const busy_dispatcher&) = delete;
  ~busy_dispatcher() { signal_dispatcher::instance().remove_call(); }
};

}  // namespace

TEST_SUITE("os/signal_dispatcher") {
  TEST_CASE("signal_dispatcher: a signal that nobody was told of goes where it belongs (D2)") {
    heard = 0;
    const disposition former(SIGUSR1, hear);
    {
      const busy_dispatcher busy;
      std::optional<owned_context> stop(signal_context(SIGUSR1));
      ::raise(SIGUSR1);
      CHECK(heard.load() == 0);
      const context kept = *stop;
      stop.reset();
      CHECK(heard.load() == 1);
      CHECK(kept.cause() == errc::canceled);
      may_return.release();
    }
    CHECK(heard.load() == 1);
  }

  TEST_CASE(
      "signal_dispatcher: of a context that is cancelled already a signal is not for it (D2)") {
    heard = 0;
    const disposition former(SIGUSR1, hear);
    const busy_dispatcher busy;
    const owned_context first = signal_context(SIGUSR1);
    const owned_context second = signal_context(SIGUSR1);
    ::raise(SIGUSR1);
    first.cancel();
    CHECK(heard.load() == 0);  // it is for the second
    may_return.release();
    while (!second.err())
      std::this_thread::yield();
    CHECK(second.cause() == std::error_code(SIGUSR1, signal_category()));
    CHECK(first.cause() == errc::canceled);
    CHECK(heard.load() == 0);
  }

  TEST_CASE("signal_dispatcher: a context that is being cancelled is not told any more (D2)") {
    heard = 0;
    const disposition former(SIGUSR1, hear);
    const detail::context_ref node = detail::make_cancel_node({});
    detail::cancel(node.get(), errc::closed);
    detail::signal_watch late(static_cast<detail::cancel_node&>(*node.get()),
                              detail::bit_of(SIGUSR1));
    signal_dispatcher::instance().add(late);
    ::raise(SIGUSR1);
    {
      const busy_dispatcher has_looked;
      may_return.release();
    }
    CHECK(heard.load() == 0);
    signal_dispatcher::instance().remove(late);
    CHECK(heard.load() == 1);
  }

  TEST_CASE("signal_dispatcher: remove_call waits for the call that runs") {
    const owned_context other = signal_context(SIGUSR1);  // for which the thread stays
    const int before = returned.load();
    {
      const busy_dispatcher busy;
      may_return.release();
    }
    CHECK(returned.load() == before + 1);
    CHECK(is_default(SIGUSR2));
    CHECK(signal_threads() == 1);
  }

  TEST_CASE("signal_dispatcher: contexts come before the call, which comes after they have gone") {
    const busy_dispatcher busy;
    may_return.release();
    {
      const owned_context stop = signal_context(SIGUSR2);
      ::raise(SIGUSR2);
      while (!stop.err())
        std::this_thread::yield();
    }
    ::raise(SIGUSR2);
    called.acquire();
    may_return.release();
  }

  TEST_CASE("signal_dispatcher: a disposition that is not the default one is left") {
    for (const handler former : {handler(SIG_IGN), handler(hear)}) {
      const disposition set(SIGUSR2, former);
      const owned_context stop = signal_context(SIGUSR2);
      CHECK_FALSE(signal_dispatcher::instance().add_call(SIGUSR2, call));
    }
    const owned_context stop = signal_context(SIGUSR2);
    REQUIRE(signal_dispatcher::instance().add_call(SIGUSR2, call));
    signal_dispatcher::instance().remove_call();
  }
}
