// SPDX-License-Identifier: MIT
// What happens to an exception that leaves a routine and that nobody joins: it panics.
#include <sluice/detail/base/assert.hpp>

#include "sched/executor_core.hpp"

#include <cstdlib>
#include <exception>
#include <memory>
#include <string>
#include <typeinfo>

#include <fmt/format.h>

#include <cxxabi.h>
#include <unistd.h>

namespace sluice::detail {

namespace {

struct free_text {
  void operator()(char* text) const noexcept { std::free(text); }
};

/// Of the exception that is being handled.
std::string type_name() {
  const std::type_info* type = abi::__cxa_current_exception_type();
  if (type == nullptr) return "an exception of another language";
  int status = 0;
  const std::unique_ptr<char, free_text> words(
      abi::__cxa_demangle(type->name(), nullptr, nullptr, &status));
  return words != nullptr ? words.get() : type->name();
}

/// The frames that the exception left are gone: who started the routine is all that is known of where.
void print_escape(const escaped& e) {
  fmt::memory_buffer text;
  const auto out = std::back_inserter(text);
  fmt::format_to(out, "sluice: panic: routine {}", e.r.id);
  if (e.r.name != nullptr) fmt::format_to(out, " \"{}\"", e.r.name);
  fmt::format_to(out, ", started at {}:{}, ended by an exception that nobody joins: ",
                 e.r.root.site.file_name(), e.r.root.site.line());
  try {
    std::rethrow_exception(e.exception);
  } catch (const std::exception& x) {
    fmt::format_to(out, "{}: {}\n", type_name(), x.what());
  } catch (...) {
    fmt::format_to(out, "{} (not a std::exception)\n", type_name());
  }
  static_cast<void>(!::write(STDERR_FILENO, text.data(), text.size()));
}

}  // namespace

void report_escape(const routine& r, std::exception_ptr e) noexcept {
  const escaped what{r, std::move(e)};
  if (r.executor != nullptr && r.executor->options().on_escape) {
    r.executor->options().on_escape(what);
    return;
  }
  print_escape(what);
  fatal("routine: exception escaped");
}

}  // namespace sluice::detail
