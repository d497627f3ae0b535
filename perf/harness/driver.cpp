// SPDX-License-Identifier: MIT
// Runs the rows: finds how many operations fill a round, lets the participants take turns, and
// hands what they answered to the report.
#include "harness/bench.hpp"
#include "harness/participant.hpp"
#include "harness/report.hpp"

#include <algorithm>
#include <array>
#include <exception>
#include <memory>
#include <set>
#include <stdexcept>

#include <fmt/format.h>

#include <signal.h>

namespace perf {

std::vector<row>& rows() {
  static std::vector<row> all;
  return all;
}

registration::registration(row r) {
  rows().push_back(std::move(r));
}

namespace {

constexpr std::uint64_t first_n = 64;
constexpr std::uint64_t most_n = 1'000'000'000;

/// What one participant has answered to one row.
struct series {
  participant* who = nullptr;
  std::uint64_t n = 0;
  std::vector<answer> rounds;
};

std::uint64_t fixed_n(const row& r, const run_options& o) {
  return o.quick && r.quick_n != 0 ? r.quick_n : r.n;
}

/// Finds the number of operations that fills a round, which warms the participant up too.
/// Returns: false if it does not serve the row with that many workers.
bool calibrate(series& s, const row& r, int workers, const run_options& o) {
  const std::string name(r.name);
  s.n = fixed_n(r, o);
  for (std::uint64_t n = s.n != 0 ? s.n : first_n;;) {
    if (r.fresh) return true;  // a round is dear and starts cold anyway
    const answer a = s.who->run(name, workers, n);
    if (!a.error.empty()) throw std::runtime_error(a.error);
    if (a.values.empty()) return false;
    if (s.n != 0 || !r.figures.empty()) return true;
    const auto ns = a.values.find("ns");
    if (ns == a.values.end()) throw std::runtime_error("answered without a time");
    const double missing = static_cast<double>(o.round_ns) / std::max(ns->second, 1.0);
    if (missing <= 1.5 || n >= most_n) {
      s.n =
          std::max<std::uint64_t>(1, static_cast<std::uint64_t>(static_cast<double>(n) * missing));
      return true;
    }
    n = static_cast<std::uint64_t>(static_cast<double>(n) * std::clamp(missing, 2.0, 50.0));
  }
}

std::optional<double> count_of(const series& s, std::string_view key, double divisor) {
  std::vector<double> v;
  for (const answer& a : s.rounds) {
    if (const auto at = a.values.find(key); at != a.values.end()) v.push_back(at->second / divisor);
  }
  if (v.empty()) return std::nullopt;
  return median_of(std::move(v));
}

line line_of(const series& s, const row& r, int workers, const figure* f) {
  line l;
  l.group = r.group;
  l.row = f != nullptr ? fmt::format("{}.{}", r.name, f->key) : std::string(r.name);
  l.who = s.who->who();
  l.workers = workers;
  l.unit = f != nullptr ? f->unit : r.unit;
  const double operations = r.whole || f != nullptr ? 1 : static_cast<double>(s.n);
  std::vector<double> v;
  for (const answer& a : s.rounds) {
    const auto at = a.values.find(f != nullptr ? f->key : "ns");
    if (at != a.values.end()) v.push_back(at->second * (f != nullptr ? 1 : r.scale) / operations);
  }
  l.value = summarise(v);
  if (f != nullptr) {
    l.at_most = f->at_most;
    return l;
  }
  l.allocs = count_of(s, "allocs", operations);
  l.syscalls = count_of(s, "syscalls", operations);
  l.wakeups = count_of(s, "wakeups", operations);
  l.instructions = count_of(s, "instructions", operations);
  for (const aim& a : r.aims) {
    if (a.workers == workers) l.at_most = a;
  }
  return l;
}

class run {
 public:
  run(const run_options& o, std::vector<participant>& all) : o_(o), all_(all) {}

  void measure(const row& r, int workers) {
    std::vector<series> taking_part = invite(r, workers);
    const int rounds = r.most_rounds != 0 ? std::min(r.most_rounds, o_.rounds) : o_.rounds;
    for (int round = 0; round < rounds; ++round) {
      for (std::size_t i = 0; i < taking_part.size(); ++i) {
        // Each round begins with another: nobody always comes after the same one.
        series& s = taking_part[(i + static_cast<std::size_t>(round)) % taking_part.size()];
        if (s.who == nullptr) continue;
        const answer a = s.who->run(std::string(r.name), workers, s.n);
        if (r.fresh) s.who->end();
        if (!a.error.empty()) {
          fail(r, workers, *s.who, a.error);
          s.who = nullptr;
        } else {
          s.rounds.push_back(a);
        }
      }
    }
    for (participant& p : all_)
      p.end();
    add_lines(r, workers, taking_part);
  }

  int finish() {
    print_foot(lines_);
    if (!o_.json.empty()) write_json(o_.json, lines_);
    return failed_ ? 1 : 0;
  }

 private:
  std::vector<series> invite(const row& r, int workers) {
    std::vector<series> taking_part;
    for (participant& p : all_) {
      if (!p.has(std::string(r.name))) continue;
      // What is measured once has no noise to be shown.
      if (p.who() == null_name && r.most_rounds == 1) continue;
      series s;
      s.who = &p;
      try {
        if (calibrate(s, r, workers, o_)) taking_part.push_back(std::move(s));
      } catch (const std::exception& e) {
        fail(r, workers, p, e.what());
      }
    }
    return taking_part;
  }

  void add_lines(const row& r, int workers, const std::vector<series>& taking_part) {
    const std::size_t tables = std::max<std::size_t>(1, r.figures.size());
    for (std::size_t i = 0; i < tables; ++i) {
      const figure* f = r.figures.empty() ? nullptr : &r.figures[i];
      std::vector<line> table;
      for (const series& s : taking_part) {
        if (s.who == nullptr || s.rounds.empty()) continue;
        if (f != nullptr && s.rounds.front().values.count(f->key) == 0) continue;
        if (s.rounds.front().values.empty()) continue;
        table.push_back(line_of(s, r, workers, f));
      }
      print_lines(table);
      lines_.insert(lines_.end(), table.begin(), table.end());
    }
  }

  void fail(const row& r, int workers, const participant& who, std::string_view why) {
    fmt::print(stderr, "perf: {} {} ({} workers): {}\n", who.who(), r.name, workers, why);
    if (who.who() == sluice_name) failed_ = true;
  }

  const run_options& o_;
  std::vector<participant>& all_;
  std::vector<line> lines_;
  bool failed_ = false;
};

/// A peer is given as WHO=PROGRAM, or with an argument, behind a tab.
participant peer_of(const std::string& text) {
  const auto equals = text.find('=');
  std::vector<std::string> command;
  std::string rest = text.substr(equals == std::string::npos ? 0 : equals + 1);
  if (const auto tab = rest.find('\t'); tab != std::string::npos) {
    command = {rest.substr(0, tab), rest.substr(tab + 1)};
  } else {
    command = {rest};
  }
  return {text.substr(0, equals), std::move(command)};
}

/// Files register their rows in any order: the table begins with what costs least.
std::ptrdiff_t place_of(std::string_view group) {
  constexpr std::array<std::string_view, 16> order = {
      "task",   "spawn", "yield",   "chan", "sieve",     "context", "errgroup", "sleep",
      "cancel", "wake",  "latency", "idle", "file_read", "memory",  "sizes",    "include_cost"};
  return std::find(order.begin(), order.end(), group) - order.begin();
}

bool is_wanted(const row& r, const run_options& o) {
  if (o.groups.empty()) return true;
  return std::any_of(o.groups.begin(), o.groups.end(),
                     [&](const std::string& g) { return g == r.group || g == r.name; });
}

}  // namespace

int drive(const run_options& o) {
  ::signal(SIGPIPE, SIG_IGN);
  // Stable, and without std::stable_sort: clang calls its insides in g++ 12's library deprecated.
  for (auto at = rows().begin(); at != rows().end(); ++at) {
    std::rotate(std::upper_bound(rows().begin(), at, *at,
                                 [](const row& a, const row& b) {
                                   return place_of(a.group) < place_of(b.group);
                                 }),
                at, at + 1);
  }
  std::set<std::string> known;
  for (const row& r : rows())
    known.insert({std::string(r.group), std::string(r.name)});
  for (const std::string& g : o.groups) {
    if (known.count(g) != 0) continue;
    std::set<std::string_view> groups;
    for (const row& r : rows())
      groups.insert(r.group);
    throw std::runtime_error(
        fmt::format("there is no group {}; there are: {}", g, fmt::join(groups, ", ")));
  }
  const std::vector<std::string> self = {"/proc/self/exe", "--serve"};
  std::vector<participant> candidates;
  candidates.emplace_back(std::string(sluice_name), self);
  candidates.emplace_back(std::string(null_name), self);
  for (const std::string& p : o.peers)
    candidates.push_back(peer_of(p));
  std::vector<participant> all;
  for (participant& p : candidates) {
    if (p.introduce()) all.push_back(std::move(p));
  }
  run all_rows(o, all);
  print_head();
  for (const row& r : rows()) {
    if (!is_wanted(r, o)) continue;
    for (const int workers : r.workers)
      all_rows.measure(r, workers);
  }
  return all_rows.finish();
}

}  // namespace perf
