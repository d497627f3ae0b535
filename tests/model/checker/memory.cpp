// SPDX-License-Identifier: MIT
// Simulated memory: views, histories, races.
#include "model/checker/world.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace model::engine {

namespace {

bool acquires(std::memory_order o) {
  return o == std::memory_order_acquire || o == std::memory_order_consume ||
         o == std::memory_order_acq_rel || o == std::memory_order_seq_cst;
}
bool releases(std::memory_order o) {
  return o == std::memory_order_release || o == std::memory_order_acq_rel ||
         o == std::memory_order_seq_cst;
}
bool ends_with(const char* text, const char* end) {
  const std::size_t n = std::strlen(text);
  const std::size_t m = std::strlen(end);
  return n >= m && std::strcmp(text + n - m, end) == 0;
}
const char* base_name(const char* path) {
  const char* slash = std::strrchr(path, '/');
  return slash != nullptr ? slash + 1 : path;
}

}  // namespace

site& world::site_of(where from) {
  const std::uint64_t key = reinterpret_cast<std::uintptr_t>(from.file_name()) * 1000003u ^
                            (std::uint64_t{from.line()} << 12) ^ from.column() ^
                            reinterpret_cast<std::uintptr_t>(from.function_name()) * 31u;
  const auto [it, fresh] = sites_.try_emplace(key);
  site& s = it->second;
  if (fresh) {
    s.file = from.file_name();
    s.function = from.function_name();
    s.line = from.line();
    for (std::size_t i = 0; i < within_.weaken.size(); ++i) {
      const weakening& w = within_.weaken[i];
      if (w.file != nullptr && !ends_with(s.file, w.file)) continue;
      if (w.function != nullptr && std::strstr(s.function, w.function) == nullptr) continue;
      s.weakenings |= 1u << i;
    }
  }
  return s;
}

std::memory_order world::order_at(const site& s, unsigned kind,
                                  std::memory_order order) const noexcept {
  for (std::size_t i = 0; s.weakenings >> i != 0; ++i) {
    const weakening& w = within_.weaken[i];
    if ((s.weakenings >> i & 1) != 0 && (w.accesses & kind) != 0 && w.from == order) return w.to;
  }
  return order;
}

void world::created(const void* at, bool plain) noexcept {
  std::erase_if(retired_, [at](const auto& r) { return at >= r.first && at < r.second; });
  if (!plain) {
    if (int* known = by_address_.find(at)) *known = 0;
    return;
  }
  const auto self = static_cast<std::size_t>(current_);
  access_record& a = plain_[at];
  a = {};
  a.writer = current_;
  a.written = threads_[self].now.clock[self];
  a.write_site = threads_[self].last;
}

location& world::location_of(const void* at, std::size_t bytes) {
  for (const auto& [first, last] : retired_) {
    if (at >= first && at < last) fail("an atomic object is used after it was freed");
  }
  int& known = by_address_[at];
  if (known != 0) return locations_[static_cast<std::size_t>(known - 1)];
  if (location_count_ == max_locations) {
    std::fputs("model: too many atomic objects in one execution\n", stderr);
    std::abort();
  }
  const auto index = static_cast<std::size_t>(location_count_++);
  known = location_count_;
  if (index == locations_.size()) locations_.emplace_back();
  location& l = locations_[index];
  l.at = at;
  l.index = static_cast<int>(index);
  l.readers = l.writers = 0;
  l.sites.clear();
  word initial = 0;
  std::memcpy(&initial, at, bytes);
  l.history.assign(1, message{initial, -1});
  return l;
}

/// Locations used by two threads, one of them a writer, make their sites places of choice.
void world::note_use(location& l, site& s, bool write) noexcept {
  if (!threads_run_) return;
  (write ? l.writers : l.readers) |= 1u << current_;
  const unsigned users = l.readers | l.writers;
  const bool shared = l.writers != 0 && (users & (users - 1)) != 0;
  if (!s.shared && std::find(l.sites.begin(), l.sites.end(), &s) == l.sites.end()) {
    l.sites.push_back(&s);
  }
  if (!shared) return;
  for (site* each : l.sites) {
    if (!each->shared) again_ = each->shared = true;
  }
  l.sites.clear();
}

int world::carry(const view& v) {
  if (view_count_ == static_cast<int>(views_.size())) views_.emplace_back();
  views_[static_cast<std::size_t>(view_count_)] = v;
  return view_count_++;
}

void world::join(view& into, const view& from) const noexcept {
  for (int i = 0; i < location_count_; ++i) {
    const auto at = static_cast<std::size_t>(i);
    into.seen[at] = std::max(into.seen[at], from.seen[at]);
  }
  for (std::size_t t = 0; t < max_threads; ++t)
    into.clock[t] = std::max(into.clock[t], from.clock[t]);
}

operation world::begin(const void* at, std::size_t bytes, unsigned kind, std::memory_order order,
                       where from) noexcept {
  site& s = site_of(from);
  if (s.shared) point();
  threads_[static_cast<std::size_t>(current_)].last = &s;
  return {&location_of(at, bytes), &s, order_at(s, kind, order)};
}

/// Chooses the store that a load reads.
stamp world::pick(const location& l, std::memory_order order) noexcept {
  thread& t = threads_[static_cast<std::size_t>(current_)];
  const auto i = static_cast<std::size_t>(l.index);
  const auto newest = static_cast<stamp>(l.history.size() - 1);
  if (!threads_run_ || stale_ == 0) return newest;
  stamp oldest = t.now.seen[i];
  if (order == std::memory_order_seq_cst) oldest = std::max(oldest, sc_[i]);
  if (oldest < newest && t.stale_stamp[i] == oldest && t.stale_count[i] >= max_same_stale) ++oldest;
  return static_cast<stamp>(newest - choose(newest - oldest + 1));
}

word world::read(const operation& op, std::memory_order order, stamp at) noexcept {
  location& l = *op.on;
  thread& t = threads_[static_cast<std::size_t>(current_)];
  const auto i = static_cast<std::size_t>(l.index);
  const bool old = at + 1u != l.history.size();
  if (old) {
    --stale_;
    const bool same = t.stale_stamp[i] == at && t.stale_count[i] != 0;
    t.stale_count[i] = static_cast<std::uint8_t>(same ? t.stale_count[i] + 1 : 1);
    t.stale_stamp[i] = at;
  }
  t.now.seen[i] = std::max(t.now.seen[i], at);
  if (order == std::memory_order_seq_cst) sc_[i] = std::max(sc_[i], at);
  const message& m = l.history[at];
  if (acquires(order) && m.view >= 0) join(t.now, views_[static_cast<std::size_t>(m.view)]);
  if (tracing_) note("reads", l, *op.from, m.value, old);
  return m.value;
}

word world::load(const operation& op) noexcept {
  note_use(*op.on, *op.from, false);
  return read(op, op.order, pick(*op.on, op.order));
}

word world::compare(const operation& op, word expected, std::memory_order failure) noexcept {
  const std::vector<message>& history = op.on->history;
  const std::memory_order order = order_at(*op.from, loads, failure);
  note_use(*op.on, *op.from, false);
  stamp at = pick(*op.on, order);
  // It acts on the newest value; by an older one it can only fail.
  if (history[at].value == expected) at = static_cast<stamp>(history.size() - 1);
  if (history[at].value == expected) return expected;  // exchange() follows
  return read(op, order, at);
}

void world::store(const operation& op, word value) noexcept {
  location& l = *op.on;
  note_use(l, *op.from, true);
  thread& t = threads_[static_cast<std::size_t>(current_)];
  const auto i = static_cast<std::size_t>(l.index);
  t.now.seen[i] = static_cast<stamp>(l.history.size());
  const int carried = releases(op.order) ? carry(t.now) : -1;
  l.history.push_back({value, carried});
  if (carried >= 0) ++t.now.clock[static_cast<std::size_t>(current_)];
  if (op.order == std::memory_order_seq_cst) sc_[i] = t.now.seen[i];
  ++writes_;
  if (tracing_) note("stores", l, *op.from, value, false);
}

void world::exchange(const operation& op, word value) noexcept {
  location& l = *op.on;
  note_use(l, *op.from, true);
  thread& t = threads_[static_cast<std::size_t>(current_)];
  const auto i = static_cast<std::size_t>(l.index);
  const int before = l.history.back().view;
  if (acquires(op.order) && before >= 0) join(t.now, views_[static_cast<std::size_t>(before)]);
  t.now.seen[i] = static_cast<stamp>(l.history.size());
  int carried = before;  // a read-modify-write continues the release sequence it reads from
  if (releases(op.order)) {
    carried = carry(t.now);
    if (before >= 0) {
      const view sequence = views_[static_cast<std::size_t>(before)];
      join(views_[static_cast<std::size_t>(carried)], sequence);
    }
    ++t.now.clock[static_cast<std::size_t>(current_)];
  }
  l.history.push_back({value, carried});
  if (op.order == std::memory_order_seq_cst) sc_[i] = t.now.seen[i];
  ++writes_;
  if (tracing_) note("changes", l, *op.from, value, false);
}

/// A full barrier of thread `t`.
void world::fence(int t) noexcept {
  view& now = threads_[static_cast<std::size_t>(t)].now;
  for (int i = 0; i < location_count_; ++i) {
    const auto at = static_cast<std::size_t>(i);
    sc_[at] = now.seen[at] = std::max(sc_[at], now.seen[at]);
  }
}

void world::barrier_of_all() noexcept {
  if (!threads_run_) return;
  fence(current_);
  const int self = current_;
  for (int t = 1; t < thread_count_; ++t) {
    if (t == self) continue;
    point();  // others run on between the moments at which each passes its barrier
    fence(t);
  }
  fence(self);
  if (tracing_)
    trace_ += std::string("  ") + threads_[static_cast<std::size_t>(self)].name +
              ": barrier of all threads\n";
}

void world::plain_access(const void* at, bool write) noexcept {
  for (const auto& [first, last] : retired_) {
    if (at >= first && at < last) fail("plain data is used after it was freed");
  }
  access_record& a = plain_[at];
  const auto self = static_cast<std::size_t>(current_);
  const view& now = threads_[self].now;
  const auto race = [&](const char* theirs, std::size_t other) {
    const auto place = [](const site* s) {
      return s == nullptr ? std::string("its beginning")
                          : std::string(base_name(s->file)) + ":" + std::to_string(s->line);
    };
    fail(std::string("data race: ") + threads_[self].name + (write ? " writes" : " reads") +
         " plain data, after " + place(threads_[self].last) + ", that " + threads_[other].name +
         " " + theirs +
         (other == static_cast<std::size_t>(a.writer) ? " after " + place(a.write_site) : ""));
  };
  if (a.writer >= 0 && now.clock[static_cast<std::size_t>(a.writer)] < a.written) {
    race("wrote", static_cast<std::size_t>(a.writer));
  }
  if (!write) {
    a.read[self] = now.clock[self];
    return;
  }
  for (std::size_t t = 0; t < max_threads; ++t) {
    if (t != self && now.clock[t] < a.read[t]) race("read", t);
  }
  a.writer = current_;
  a.written = now.clock[self];
  a.write_site = threads_[self].last;
  a.read = {};
}

void world::retire(const void* at, std::size_t bytes) noexcept {
  const auto* first = static_cast<const char*>(at);
  retired_.emplace_back(first, first + bytes);
}

void world::note(const char* kind, const location& l, const site& s, word value, bool old) {
  char line[256];
  std::snprintf(line, sizeof line, "  %-10s %-8s L%-3d %s%llx  %s:%u\n",
                threads_[static_cast<std::size_t>(current_)].name, kind, l.index, old ? "OLD " : "",
                static_cast<unsigned long long>(value), base_name(s.file), s.line);
  trace_ += line;
}

}  // namespace model::engine
