// SPDX-License-Identifier: MIT
// What atomic<T> and plain<T> call: one operation on simulated memory each.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <source_location>

namespace model::engine {

using word = std::uint64_t;
using where = const std::source_location&;

struct location;
struct site;

/// Whether a program runs; operations outside of one act on the object directly.
bool on() noexcept;

/// An object came to life at `at`: forgets what was there before.
void created(const void* at) noexcept;

/// One operation on an atomic object of `bytes` bytes. begin() may run other threads first.
struct operation {
  location* on;
  site* from;
  std::memory_order order;
};
/// `kind`: model::access.
operation begin(const void* at, std::size_t bytes, unsigned kind, std::memory_order order,
                where from) noexcept;

/// A load. Returns: the value that it reads.
word load(const operation& op) noexcept;
/// After the object was given its new value.
void store(const operation& op, word value) noexcept;
void exchange(const operation& op, word value) noexcept;  // read-modify-write
/// A failed compare-exchange, or one that can fail: a load of something that is not `expected`, or the
/// newest value. Returns: what was read; equal to `expected` means that the exchange succeeds.
word compare(const operation& op, word expected, std::memory_order failure) noexcept;

/// Accesses to an object that needs none: fail unless ordered after all that conflict.
void plain_created(const void* at) noexcept;
void plain_read(const void* at) noexcept;
void plain_write(const void* at) noexcept;

}  // namespace model::engine
