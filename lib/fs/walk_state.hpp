// SPDX-License-Identifier: MIT
// A walk in progress: which directories are still to be read, and a batch of what was found.
// Knows nothing of routines: read() blocks, and runs wherever its caller likes.
#pragma once

#include <sluice/detail/fs/walk_op.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::detail {

/// Depth first. Invariants:
///   I1  base_ is the path of the directory that is read or was read last, with a '/' at its end
///   I2  the parent of each pending directory is a prefix of base_ when its turn comes: those below
///       a directory are all taken before its siblings
class walk_state {
 public:
  explicit walk_state(std::string_view root);
  walk_state(const walk_state&) = delete;
  walk_state& operator=(const walk_state&) = delete;
  ~walk_state();

  /// Whether the batch holds something, or nothing will ever follow.
  bool ready() const noexcept { return next_ < batch_.size() || ended_; }
  /// The next of the batch; nothing once it has ended.
  std::optional<result<fs::entry>> take();
  /// Replaces the batch, which was used up. Lack of memory ends the walk with an error.
  void read() noexcept;

 private:
  struct found {
    std::uint32_t at, length;  // of the path, in text_
    int number;                // errno, or 0
    fs::file_kind kind;
    bool opening;  // the error is open's, else getdents'
  };
  struct pending {
    std::uint32_t parent;  // length of the parent's path in base_, its '/' included
    std::uint32_t length;  // of the name, which ends names_ when its turn comes
  };

  void fill();
  bool open_next();
  bool read_directory();
  void add_entry(const char* name, std::size_t length, unsigned char type);
  void add_error(int number, bool opening);
  fs::file_kind look_up(const char* name) const noexcept;
  void close_directory() noexcept;

  std::string base_;
  std::string names_;             // of pending_, one after another
  std::vector<pending> pending_;  // the next one last
  int directory_ = -1;
  std::unique_ptr<char[]> raw_;  // what getdents64(2) gave
  std::size_t raw_at_ = 0, raw_end_ = 0;

  std::string text_;  // the paths of batch_
  std::vector<found> batch_;
  std::size_t next_ = 0;
  std::size_t limit_;  // of the next batch
  bool ended_ = false;
  int failed_ = 0;  // errno that ended it early
};

}  // namespace sluice::detail
