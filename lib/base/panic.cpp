// SPDX-License-Identifier: MIT
// The last words of a process, and the throwing of panics.
#include <sluice/detail/base/assert.hpp>
#include <sluice/detail/base/atomic.hpp>
#include <sluice/error.hpp>

#include <cstdlib>
#include <cstring>

#include <sys/uio.h>
#include <unistd.h>

namespace sluice::detail {

namespace {

constinit atomic<fatal_hook> hook{nullptr};
constinit atomic<int> dying_thread{0};  // kernel thread id of the first to call fatal()

void say(const char* text) noexcept {
  static constexpr char prefix[] = "sluice: fatal: ";
  static constexpr char end[] = "\n";
  // writev takes pointers to non-const, and reads only
  const iovec parts[] = {{const_cast<char*>(prefix), sizeof(prefix) - 1},
                         {const_cast<char*>(text), std::strlen(text)},
                         {const_cast<char*>(end), sizeof(end) - 1}};
  // Nobody is left to hear that the last words were not heard.
  [[maybe_unused]] const ssize_t ignored = ::writev(STDERR_FILENO, parts, 3);
}

}  // namespace

void fatal(const char* text) noexcept {
  say(text);
  const int self = ::gettid();
  int first = 0;
  // acq_rel, acquire: one thread wins; nothing else is published through the word
  if (dying_thread.compare_exchange_strong(first, self, std::memory_order_acq_rel,
                                           std::memory_order_acquire)) {
    // acquire: pairs with the release in set_fatal_hook() [H1]
    if (const fatal_hook call = hook.load(std::memory_order_acquire)) call();
  } else if (first != self) {
    for (;;)
      ::pause();  // the first one is printing the dump, and ends the process
  }
  std::abort();
}

fatal_hook set_fatal_hook(fatal_hook next) noexcept {
  // acq_rel: pairs with the acquire in fatal(), which calls into what was set up before [H1]
  return hook.exchange(next, std::memory_order_acq_rel);
}

void throw_panic(const char* text) {
  throw panic_error(text);
}

}  // namespace sluice::detail
