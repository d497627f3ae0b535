// SPDX-License-Identifier: MIT
#include "report.hpp"

#include <iterator>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace word_count {

namespace {

/// As it is, but for control characters and bytes above 126, which become \xNN.
std::string printable(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) {
    if (c >= ' ' && c <= '~') {
      text += c;
    } else {
      text += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
  }
  return text;
}

}  // namespace

std::string grouped(std::uint64_t n) {
  std::string text = fmt::to_string(n);
  for (std::size_t at = text.size(); at > 3; at -= 3)
    text.insert(at - 3, 1, ',');
  return text;
}

std::string scaled(double n, std::string_view unit) {
  constexpr std::string_view prefixes[] = {"", "k", "M", "G", "T", "P"};
  std::size_t p = 0;
  for (; n >= 999.5 && p + 1 < std::size(prefixes); n /= 1000)
    ++p;
  return fmt::format("{:.3g} {}{}", n, prefixes[p], unit);
}

std::string to_text(const report& r, std::string_view backend, std::string_view reason,
                    int workers) {
  std::string text;
  const auto row = [&text](std::string_view name, std::uint64_t n) {
    text += fmt::format("{:<11}{:>16}\n", name, grouped(n));
  };
  row("files", r.files);
  row("bytes", r.bytes);
  row("lines", r.lines);
  row("words", r.words);
  if (r.unreadable != 0) row("unreadable", r.unreadable);
  if (!r.top.empty()) {
    text +=
        fmt::format("\nmost frequent{}\n",
                    r.undercount == 0 ? "" : fmt::format(", counts low by up to {}", r.undercount));
    for (const ranked& w : r.top) {
      text += fmt::format("{:>27}  {}\n", grouped(w.count), printable(w.word));
    }
  }
  const double seconds = r.time.count();
  text += fmt::format("\n{:.3f} s, {}/s, {}/s, on {} ({}), {} worker{}\n", seconds,
                      scaled(static_cast<double>(r.bytes) / seconds, "B"),
                      scaled(static_cast<double>(r.files) / seconds, "files"), backend, reason,
                      workers, workers == 1 ? "" : "s");
  return text;
}

std::string to_json(const report& r) {
  auto top = nlohmann::ordered_json::array();
  for (const ranked& w : r.top)
    top.push_back({{"word", w.word}, {"count", w.count}});
  const nlohmann::ordered_json object = {
      {"files", r.files}, {"bytes", r.bytes},           {"lines", r.lines},
      {"words", r.words}, {"unreadable", r.unreadable}, {"seconds", r.time.count()},
      {"top", top},
  };
  return object.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace word_count
