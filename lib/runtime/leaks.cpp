// SPDX-License-Identifier: MIT
// What a list of routines says of who waits in vain. A join is the only wait whose partner is known: each
// routine joins one at most, so that the joins form chains, which end in a routine or in one cycle.
#include <sluice/leaks.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

namespace sluice {

namespace {

/// Whether only other routines end such a wait.
bool is_for_routines(wait_reason r) noexcept {
  switch (r) {
    case wait_reason::chan_send:
    case wait_reason::chan_recv:
    case wait_reason::chan_nil:
    case wait_reason::join:
    case wait_reason::when_all:
    case wait_reason::context_done:
    case wait_reason::group:
    case wait_reason::wait_group:
      return true;
    default:
      return false;
  }
}

class finder {
 public:
  explicit finder(std::vector<routine_info> all) : all_(std::move(all)), verdict_(all_.size()) {
    for (std::size_t i = 0; i < all_.size(); ++i)
      by_id_[all_[i].id] = i;
  }

  std::vector<leak> find(duration suspect_after) {
    for (std::size_t i = 0; i < all_.size(); ++i)
      follow(i);
    add_joiners();
    add_suspects(suspect_after);
    return std::move(found_);
  }

 private:
  enum class verdict : unsigned char { unknown, on_the_way, free, leaked };

  /// Along the joins until something is known.
  void follow(std::size_t i) {
    std::vector<std::size_t> way;
    while (verdict_[i] == verdict::unknown) {
      verdict_[i] = verdict::on_the_way;
      way.push_back(i);
      const routine_info& r = all_[i];
      const auto next = by_id_.find(r.joins);
      // One that is asked to stop is on its way out.
      if (r.state != routine_state::waiting || r.stopping) {
        verdict_[i] = verdict::free;
      } else if (r.reason == wait_reason::chan_nil) {
        verdict_[i] = verdict::leaked;
        add(leak_kind::nil_channel, {i});
      } else if (r.joins == 0 || next == by_id_.end()) {
        verdict_[i] = verdict::free;
      } else {
        i = next->second;
      }
    }
    const bool cycle = verdict_[i] == verdict::on_the_way;
    const auto begin = cycle ? std::find(way.begin(), way.end(), i) : way.end();
    if (cycle) add(leak_kind::join_cycle, {begin, way.end()});
    const bool leaked = cycle || verdict_[i] == verdict::leaked;
    for (const std::size_t each : way) {
      if (verdict_[each] != verdict::on_the_way) continue;
      verdict_[each] = leaked ? verdict::leaked : verdict::free;
    }
    for (auto each = way.begin(); leaked && each != begin; ++each) {
      if (all_[*each].reason == wait_reason::join) joiners_.push_back(*each);
    }
  }

  void add(leak_kind kind, const std::vector<std::size_t>& which) {
    leak l{kind, all_[which.front()].spawned, {}};
    for (const std::size_t i : which)
      l.routines.push_back(all_[i]);
    found_.push_back(std::move(l));
  }

  void add_joiners() {
    for (const std::size_t i : joiners_)
      add(leak_kind::joins_leaked, {i});
  }

  void add_suspects(duration after) {
    std::vector<std::size_t> suspects;
    for (std::size_t i = 0; i < all_.size(); ++i) {
      const routine_info& r = all_[i];
      if (r.state != routine_state::waiting || verdict_[i] == verdict::leaked) continue;
      if (is_for_routines(r.reason) && r.since > after) suspects.push_back(i);
    }
    const auto group = [this](std::size_t i) {
      const routine_info& r = all_[i];
      return std::tuple(std::string_view(r.spawned.file_name()), r.spawned.line(),
                        r.spawned.column(), r.reason);
    };
    std::sort(suspects.begin(), suspects.end(), [&](std::size_t a, std::size_t b) {
      return std::pair(group(a), a) < std::pair(group(b), b);
    });
    const auto first = static_cast<std::ptrdiff_t>(found_.size());
    for (auto from = suspects.begin(); from != suspects.end();) {
      const auto to = std::find_if(from, suspects.end(),
                                   [&](std::size_t i) { return group(i) != group(*from); });
      add(leak_kind::long_wait, {from, to});
      from = to;
    }
    std::sort(found_.begin() + first, found_.end(), [](const leak& a, const leak& b) {
      if (a.routines.size() != b.routines.size()) return a.routines.size() > b.routines.size();
      return a.routines.front().id < b.routines.front().id;
    });
  }

  const std::vector<routine_info> all_;
  std::vector<verdict> verdict_;
  std::unordered_map<std::uint64_t, std::size_t> by_id_;
  std::vector<std::size_t> joiners_;
  std::vector<leak> found_;
};

std::string_view words_of(leak_kind k) noexcept {
  switch (k) {
    case leak_kind::nil_channel:
      return "leak: waits on a nil channel";
    case leak_kind::join_cycle:
      return "leak: join each other";
    case leak_kind::joins_leaked:
      return "leak: joins a routine that never ends";
    case leak_kind::long_wait:
      return "suspected leak: waits for long";
  }
  return "unknown";
}

}  // namespace

std::vector<leak> leaks(duration suspect_after) {
  return finder(routines()).find(suspect_after);
}

std::string to_string(const std::vector<leak>& all) {
  std::string text;
  for (const leak& l : all) {
    text += fmt::format("{}: {} started at {}:{}\n", words_of(l.kind), l.routines.size(),
                        l.spawned.file_name(), l.spawned.line());
    text += to_string(l.routines);
  }
  return text;
}

}  // namespace sluice
