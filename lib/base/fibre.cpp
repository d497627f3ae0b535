// SPDX-License-Identifier: MIT
// Fibres of ThreadSanitizer, and what a thread that changes between them has the detector forget.
#include "base/fibre.hpp"

#if defined(SLUICE_TSAN)

#  include <algorithm>
#  include <cstdio>

#  include <link.h>
#  include <sanitizer/tsan_interface.h>
#  include <sched.h>
#  include <sys/single_threaded.h>

// Of the run-time, in no header that goes with all compilers.
extern "C" {
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
void AnnotateIgnoreSyncBegin(const char* file, int line);
void AnnotateIgnoreSyncEnd(const char* file, int line);
void __tsan_java_alloc(std::uintptr_t begin, std::size_t bytes);
void __tsan_java_free(std::uintptr_t begin, std::size_t bytes);
}

// The detector keeps a call stack for each fibre. A function that changes fibres must be on none of
// them, else it would be put on the one and be taken off the other; nor are its own reads and writes,
// of what threads have of their own, anybody's business.
#  if defined(__clang__)
#    define SLUICE_UNWATCHED __attribute__((disable_sanitizer_instrumentation))
#  else
#    define SLUICE_UNWATCHED __attribute__((no_sanitize("thread")))
#  endif

namespace sluice::detail {

namespace {

// Below where a routine was resumed. One that goes deeper, and has there what it passes pointers of, may
// be reported with another one that does: 3 us for each resumption buy this much.
constexpr std::size_t stack_of_routine = std::size_t{32} << 10;
// Below where library code changes places for its own sake, whose calls are short.
constexpr std::size_t stack_of_worker = std::size_t{4} << 10;

/// The thread-locals of one module, as far as this thread has them without asking for memory.
struct tls_block {
  std::uintptr_t begin;
  std::size_t bytes;
};

/// What a thread that runs routines is, or will be again.
struct places {
  fibre* is;          // while it runs a routine
  void* own;          // its context while it runs a routine, else null
  void* ended;        // of a routine that has ended here: to be destroyed
  bool has_ended;     // ditto, context or not
  own_memory desk;    // see routine_scope
  tls_block tls[16];  // ends with 0 bytes
  bool knows_tls;
};
constinit thread_local places here{};

atomic<std::uint32_t> live{0};
atomic<std::uint32_t> off{0};
atomic<bool> told{false};

void tell_of_limit() noexcept {
  // relaxed: one text, whoever comes first
  if (told.exchange(true, std::memory_order_relaxed)) return;
  std::fprintf(stderr,
               "sluice: note: more than %u routines are live: ThreadSanitizer does not tell those "
               "beyond from others of their worker\n",
               fibre::most_live);
}

SLUICE_UNWATCHED void forget(std::uintptr_t begin, std::size_t bytes) noexcept {
  // The one way that the run-time offers to others than malloc: a block of a Java heap is allocated.
  // That it is one matters to reports only: it is freed again, by its first word.
  ::__tsan_java_alloc(begin, bytes);
  ::__tsan_java_free(begin, 8);
}

SLUICE_UNWATCHED int add_tls_of(dl_phdr_info* module, std::size_t, void* end) {
  auto*& at = *static_cast<tls_block**>(end);
  if (module->dlpi_tls_data == nullptr || at + 1 == here.tls + 16) return 0;
  for (int i = 0; i < module->dlpi_phnum; ++i) {
    if (module->dlpi_phdr[i].p_type != PT_TLS) continue;
    const auto begin = reinterpret_cast<std::uintptr_t>(module->dlpi_tls_data);
    at->begin = begin & ~std::uintptr_t{7};
    at->bytes = (begin - at->begin + module->dlpi_phdr[i].p_memsz + 7) & ~std::size_t{7};
    if (at->bytes != 0) ++at;
  }
  return 0;
}

/// Modules that are loaded later are not known; nor is memory that their thread-locals point to.
SLUICE_UNWATCHED void find_tls() noexcept {
  here.knows_tls = true;
  tls_block* end = here.tls;
  ::dl_iterate_phdr(add_tls_of, &end);
}

/// The caller is left, with the calls it made, and the thread is another fibre.
SLUICE_UNWATCHED void change_to(void* context, const void* frame, std::size_t deep) noexcept {
  const auto top = reinterpret_cast<std::uintptr_t>(frame) & ~std::uintptr_t{15};
  forget(top - deep, deep);
  forget(reinterpret_cast<std::uintptr_t>(here.desk.begin), here.desk.bytes);
  for (const tls_block* b = here.tls; b->bytes != 0; ++b)
    forget(b->begin, b->bytes);
  ::__tsan_switch_to_fiber(context, ::__tsan_switch_to_fiber_no_sync);
}

}  // namespace

SLUICE_UNWATCHED void tsan_forget(own_memory m) noexcept {
  forget(reinterpret_cast<std::uintptr_t>(m.begin), m.bytes);
}

SLUICE_UNWATCHED void fibre::make(std::uint64_t id) noexcept {
  // Where there is one thread, reference counts of the C++ library are no atomics: between fibres these
  // would be races.
  __libc_single_threaded = 0;
  if (off.load(std::memory_order_relaxed) != 0) return;  // relaxed: set by who spawns, or before
  // relaxed: a bound, no more
  if (live.fetch_add(1, std::memory_order_relaxed) >= most_live) {
    live.fetch_sub(1, std::memory_order_relaxed);  // relaxed: as above
    tell_of_limit();
    return;
  }
  context_ = ::__tsan_create_fiber(0);
  name(id);
}

SLUICE_UNWATCHED void fibre::name(std::uint64_t id) noexcept {
  char text[32];
  std::snprintf(text, sizeof text, "routine %llu", static_cast<unsigned long long>(id));
  ::__tsan_set_fiber_name(context_, text);
}

SLUICE_UNWATCHED void fibre::split(std::uint64_t id, fibre& branch,
                                   std::uint64_t branch_id) noexcept {
  // The calls under way are on the stack of the context that the thread is in: that stays.
  branch.context_ = context_;
  branch.entered_.store(true,
                        std::memory_order_relaxed);  // relaxed: of this thread, as what follows
  here.is = &branch;
  context_ = nullptr;
  if (branch.context_ != nullptr) {
    branch.name(branch_id);
    make(id);
  }
  entered_.store(false, std::memory_order_relaxed);  // relaxed: published as the routine is
}

SLUICE_UNWATCHED void fibre::end() noexcept {
  here.has_ended = true;
  here.ended = context_;
  context_ = nullptr;
  entered_.store(false, std::memory_order_relaxed);  // relaxed: nobody takes it on any more
}

SLUICE_UNWATCHED routine_scope::routine_scope(fibre& f, own_memory desk) noexcept {
  // A routine can be claimed as soon as its wait is published, by a thread that is still it.
  // acquire: pairs with the release in ~routine_scope()
  while (f.entered_.exchange(true, std::memory_order_acquire))
    ::sched_yield();
  if (!here.knows_tls) find_tls();
  here.is = &f;
  here.own = ::__tsan_get_current_fiber();
  here.desk = desk;
  void* const context = f.context_ != nullptr ? f.context_ : here.own;
  change_to(context, __builtin_frame_address(0), stack_of_worker);
  tsan_acquire(&f);  // pairs with hand_over()
}

SLUICE_UNWATCHED routine_scope::~routine_scope() {
  void* const own = here.own;
  here.own = nullptr;
  change_to(own, __builtin_frame_address(0), stack_of_routine);
  if (!here.has_ended) {
    here.is->entered_.store(false,
                            std::memory_order_release);  // release: pairs with routine_scope()
    return;
  }
  void* const ended = here.ended;
  here.has_ended = false;
  here.ended = nullptr;
  if (ended == nullptr) return;
  ::__tsan_destroy_fiber(ended);
  live.fetch_sub(1, std::memory_order_relaxed);  // relaxed: as in make()
}

SLUICE_UNWATCHED worker_scope::worker_scope() noexcept
    : left_(here.own != nullptr ? ::__tsan_get_current_fiber() : nullptr) {
  if (left_ != nullptr) change_to(here.own, __builtin_frame_address(0), stack_of_worker);
}

SLUICE_UNWATCHED worker_scope::~worker_scope() {
  if (left_ != nullptr) change_to(left_, __builtin_frame_address(0), stack_of_worker);
}

fibres_off::fibres_off() noexcept {
  off.fetch_add(1, std::memory_order_relaxed);  // relaxed: see make()
}

fibres_off::~fibres_off() {
  off.fetch_sub(1, std::memory_order_relaxed);  // relaxed: see make()
}

SLUICE_UNWATCHED unseen_scope::unseen_scope() noexcept {
  ::AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
  ::AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
  ::AnnotateIgnoreSyncBegin(__FILE__, __LINE__);
}

SLUICE_UNWATCHED unseen_scope::~unseen_scope() {
  ::AnnotateIgnoreSyncEnd(__FILE__, __LINE__);
  ::AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
  ::AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
}

}  // namespace sluice::detail

#endif
