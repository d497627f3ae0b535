// SPDX-License-Identifier: MIT
// Views of bytes that I/O reads into and writes from. They own nothing.
//
// An operation is never abandoned while the system may touch its buffer (cancelling one waits for its
// end), so a buffer may lie in the awaiting routine's own frame, and nothing is copied or registered.
#pragma once

#include <cstddef>
#include <cstring>
#include <iterator>
#include <span>
#include <string_view>
#include <type_traits>

namespace sluice::io {

/// A type as which bytes are handled.
template <class T>
concept byte_like =
    std::is_same_v<std::remove_cv_t<T>, std::byte> || std::is_same_v<std::remove_cv_t<T>, char> ||
    std::is_same_v<std::remove_cv_t<T>, unsigned char> ||
    std::is_same_v<std::remove_cv_t<T>, char8_t>;

/// Bytes in a row, with a size: span, vector, array, string, char[N].
template <class C>
concept byte_range = requires(C& c) {
  { *std::data(c) };
  { std::size(c) };
  requires byte_like<std::remove_reference_t<decltype(*std::data(c))>>;
};

/// The same, to be written to.
template <class C>
concept mutable_byte_range = byte_range<C> && requires(C& c) {
  requires !std::is_const_v<std::remove_reference_t<decltype(*std::data(c))>>;
};

/// Whether a buffer made of a C&& refers to bytes that live on: an lvalue, or a view by value.
template <class C>
inline constexpr bool outlives_call =
    std::is_lvalue_reference_v<C> || std::ranges::enable_borrowed_range<std::remove_cvref_t<C>>;

/// Bytes to read into. Laid out as the system's iovec.
/// Lifetime: the bytes must outlive the awaited operation, as the awaiting expression's do.
class mutable_buffer {
 public:
  mutable_buffer() noexcept = default;
  mutable_buffer(void* data, std::size_t size) noexcept : data_(data), size_(size) {}
  template <mutable_byte_range C>
  mutable_buffer(C&& bytes) noexcept : data_(std::data(bytes)), size_(std::size(bytes)) {
    static_assert(outlives_call<C>,
                  "buffer: what is read into a temporary container is lost with it: name it first");
  }

  std::byte* data() const noexcept { return static_cast<std::byte*>(data_); }
  std::size_t size() const noexcept { return size_; }

 private:
  void* data_ = nullptr;
  std::size_t size_ = 0;
};

/// Bytes to write. Laid out as the system's iovec. A text ends before its NUL.
/// Lifetime: as mutable_buffer's.
class const_buffer {
 public:
  const_buffer() noexcept = default;
  const_buffer(const void* data, std::size_t size) noexcept : data_(data), size_(size) {}
  const_buffer(const mutable_buffer& b) noexcept : data_(b.data()), size_(b.size()) {}
  const_buffer(const char* text) noexcept : data_(text), size_(std::strlen(text)) {}
  template <byte_range C>
    requires(!std::is_array_v<std::remove_cvref_t<C>> ||
             !std::is_same_v<std::remove_extent_t<std::remove_reference_t<C>>, const char>)
  const_buffer(C&& bytes) noexcept : data_(std::data(bytes)), size_(std::size(bytes)) {
    static_assert(outlives_call<C>,
                  "buffer: the bytes of a temporary container may be gone before they are written: "
                  "name it first");
  }

  const std::byte* data() const noexcept { return static_cast<const std::byte*>(data_); }
  std::size_t size() const noexcept { return size_; }

 private:
  const void* data_ = nullptr;
  std::size_t size_ = 0;
};

/// Several buffers, for one vectored operation: an array, vector or span of them, borrowed.
using mutable_buffers = std::span<const mutable_buffer>;
using const_buffers = std::span<const const_buffer>;

}  // namespace sluice::io
