// SPDX-License-Identifier: MIT
// A program that takes part in a run: sluice, sluice again, or a peer. One process at a time, which
// is asked over its stdin and answers on its stdout (peer.hpp).
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <sys/types.h>

namespace perf {

/// One answer: the figures by name. Empty `values`: skipped, or failed if `error` says why.
struct answer {
  std::map<std::string, double, std::less<>> values;
  std::string error;
};

class participant {
 public:
  participant(std::string name, std::vector<std::string> command);
  participant(participant&& o) noexcept;
  participant& operator=(participant&&) = delete;
  ~participant();

  const std::string& who() const noexcept { return who_; }

  /// Asks for its rows. Returns: false, with a line on stderr, if it cannot be run.
  bool introduce();
  bool has(const std::string& row) const { return rows_.count(row) != 0; }

  answer run(const std::string& row, int workers, std::uint64_t n);

  /// Ends the process; the next run starts another.
  void end() noexcept;

 private:
  bool begin();
  bool ask(const std::string& line, std::string& reply);

  std::string who_;
  std::vector<std::string> command_;
  std::set<std::string> rows_;
  pid_t pid_ = -1;
  int to_ = -1;    // its stdin
  int from_ = -1;  // its stdout
};

}  // namespace perf
