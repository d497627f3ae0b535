// SPDX-License-Identifier: MIT
// word_count: files, lines, words and the most frequent words of trees, files and standard input.
//
//   walk --files--> read --full--> count
//                     ^--empty-------|
// One routine walks the trees, several read, one per worker counts; between them are channels, around
// them a group that ends when all have. Ctrl-C, or SIGTERM, stops the group: what was counted by then
// is printed, and the exit code is 128 and the signal. Memory is bounded: texts pass in buffers of a
// fixed number, which go round through the channel of empty ones, and a tally forgets its rarest
// words beyond two million. Counters know nothing of files: a reader ends each buffer at the end of a
// word, and puts many small files into one buffer. What is a word, see word_count/scan.hpp.
#include <sluice/fs/file.hpp>
#include <sluice/fs/walk.hpp>
#include <sluice/os/signal.hpp>
#include <sluice/sluice.hpp>

#include "word_count/report.hpp"
#include "word_count/scan.hpp"
#include "word_count/tally.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <sys/resource.h>
#include <unistd.h>

namespace {

using namespace sluice;
using namespace std::chrono_literals;
using word_count::report;
using word_count::tally;

constexpr std::size_t buffer_bytes = 256 << 10;  // a read is long, and a buffer fits into L2
constexpr std::size_t smallest_read = 16 << 10;  // less room than this: the buffer is full
constexpr std::size_t longest_carry = 4096;      // a longer unfinished word is cut
constexpr std::size_t names_ahead = 512;         // files that were found and are not yet read
constexpr std::size_t most_words = 2 << 20;      // different ones, in all tallies together
constexpr std::size_t fewest_words = 128 << 10;  // in each, however many there are
constexpr int readers_per_worker = 4;            // requests that a disk has at a time
constexpr std::string_view standard_input_name = "-";

struct settings {
  std::vector<std::string> paths;
  std::size_t top = 10;
  int workers = 0;
  bool json = false;
};

/// A buffer on its way to a counter. Ends with a word, but for one that is longer than longest_carry.
struct chunk {
  char* text;  // buffer_bytes and a block
  std::size_t size;
  word_count::head first;
};

struct count_result {
  explicit count_result(std::size_t words_at_most) : words(words_at_most) {}

  word_count::counts counts;
  tally words;
};

/// What the routines share.
struct shared {
  shared(settings what, int counters_, int readers_)
      : asked(std::move(what)),
        counters(counters_),
        readers(readers_),
        buffers(static_cast<std::size_t>(readers_ + 2 * counters_)),
        files(names_ahead),
        empty(buffers),
        full(buffers),
        results(static_cast<std::size_t>(counters_)),
        texts(std::make_unique_for_overwrite<char[]>(buffers * stride)) {
    for (std::size_t i = 0; i < buffers; ++i)
      empty.try_send(texts.get() + i * stride);
  }

  static constexpr std::size_t stride = buffer_bytes + word_count::block;

  const settings asked;
  const int counters, readers;
  const std::size_t buffers;
  chan<std::string> files;
  chan<char*> empty;
  chan<chunk> full;
  std::vector<std::unique_ptr<count_result>> results;  // one of each counter, while it counts, too

  std::atomic<std::uint64_t> found{0}, read{0}, bytes{0}, unreadable{0};
  std::atomic<bool> walked{false};
  const bool interactive = ::isatty(STDERR_FILENO) == 1;

 private:
  const std::unique_ptr<char[]> texts;
};
using shared_ref = std::shared_ptr<shared>;

// The counters of progress order nothing: they are read for display, and after all joins.
void add(std::atomic<std::uint64_t>& to, std::uint64_t n) {
  to.fetch_add(n, std::memory_order_relaxed);
}
std::uint64_t value(const std::atomic<std::uint64_t>& of) {
  return of.load(std::memory_order_relaxed);
}

task<> complain(shared_ref s, error e) {
  add(s->unreadable, 1);
  const std::string line =
      fmt::format("{}word_count: {}\n", s->interactive ? "\r\x1b[K" : "", e.message());
  auto err = fs::standard_error();
  static_cast<void>(co_await err.write_all(line));
}

// ---- walk

task<> walk_tree(shared_ref s, std::string root) {
  fs::walk tree(root);
  while (auto e = co_await tree.next()) {
    if (!*e) {
      co_await complain(s, e->error());
    } else if ((*e)->kind == fs::file_kind::regular) {
      add(s->found, 1);
      co_await s->files.emplace((*e)->path);
    }
  }
}

task<> walk_all(shared_ref s) {
  for (const std::string& path : s->asked.paths) {
    if (path != standard_input_name) {
      auto info = co_await fs::stat(path);
      if (!info) {
        co_await complain(s, info.error());
        continue;
      }
      if (info->kind == fs::file_kind::directory) {
        co_await walk_tree(s, path);
        continue;
      }
    }
    add(s->found, 1);
    co_await s->files.send(path);
  }
  s->walked.store(true, std::memory_order_relaxed);
  s->files.close();
}

// ---- read

/// Fills buffers with one file after another and passes them on.
class packer {
 public:
  explicit packer(shared_ref s) noexcept : s_(std::move(s)) {}

  /// Sees to it that there is room to read into.
  task<> make_room() {
    if (text_ != nullptr && buffer_bytes - used_ < smallest_read) co_await pass_on();
    if (text_ == nullptr) text_ = *co_await s_->empty.recv();  // which is never closed
    if (carried_ == 0) co_return;
    std::memcpy(text_, carry_.data(), carried_);
    used_ = std::exchange(carried_, 0);
  }
  io::mutable_buffer room() const noexcept { return {text_ + used_, buffer_bytes - used_}; }
  void take(std::size_t bytes) noexcept { used_ += bytes; }

  /// Keeps the end of a file and the beginning of the next one apart.
  void end_file() noexcept {
    if (used_ == 0) {
      first_ = word_count::head::whole;
    } else if (used_ < buffer_bytes) {
      text_[used_++] = ' ';
    }
    at_end_ = true;
  }
  void begin_file() noexcept { at_end_ = false; }

  /// Hands the buffer to the counters, less an unfinished word.
  task<> pass_on() {
    if (text_ == nullptr) co_return;
    chunk c{std::exchange(text_, nullptr), std::exchange(used_, 0), first_};
    first_ = word_count::head::whole;
    if (!at_end_) cut_last_word(c);
    co_await s_->full.send(c);
  }

 private:
  void cut_last_word(chunk& c) noexcept {
    const word_count::unfinished word = word_count::last_word(c.text, c.size);
    if (word.length <= longest_carry) {
      carried_ = word.length;
      c.size -= word.length;
      std::memcpy(carry_.data(), c.text + c.size, carried_);
      return;
    }
    const bool counted =
        word.printable || (word.length == c.size && c.first == word_count::head::counted);
    first_ = counted ? word_count::head::counted : word_count::head::uncounted;
  }

  shared_ref s_;
  char* text_ = nullptr;
  std::size_t used_ = 0;
  word_count::head first_ = word_count::head::whole;  // of text_, or of the next one
  bool at_end_ = true;                                // of a file
  std::size_t carried_ = 0;
  std::array<char, longest_carry> carry_;
};

task<> read_file(shared_ref s, packer* out, std::string path) {
  result<fs::file> file = fs::standard_input();
  if (path != standard_input_name) file = co_await fs::file::open(path);
  if (!file) {
    co_await complain(s, file.error());
    co_return;
  }
  out->begin_file();
  for (;;) {
    co_await out->make_room();
    auto n = co_await file->read(out->room());
    if (!n) {
      co_await complain(s, n.error());
      break;
    }
    if (*n == 0) {
      add(s->read, 1);
      break;
    }
    add(s->bytes, *n);
    out->take(*n);
  }
  out->end_file();
}

task<> read_files(shared_ref s) {
  auto out = std::make_unique<packer>(s);
  while (auto path = co_await s->files.recv()) {
    co_await read_file(s, out.get(), std::move(*path));
    if (s->files.len() == 0) co_await out->pass_on();  // nobody should wait for what we have
  }
  co_await out->pass_on();
}

/// All readers.
task<> read_all(shared_ref s) {
  auto readers = [&](errgroup& g) -> task<> {
    for (int i = 0; i < s->readers; ++i)
      g.go(read_files, s);
    co_return;
  };
  static_cast<void>(co_await errgroup::run(readers));
  s->full.close();
}

// ---- count, merge

task<> count_words(shared_ref s, std::size_t counter) {
  const std::size_t share = most_words / static_cast<std::size_t>(s->counters);
  s->results[counter] = std::make_unique<count_result>(std::max(share, fewest_words));
  count_result& mine = *s->results[counter];
  const bool listed = s->asked.top != 0;
  while (auto c = co_await s->full.recv()) {
    const auto n =
        word_count::scan(c->text, c->size, c->first, [&](const char* word, std::size_t length) {
          if (listed) mine.words.add(word, length);
        });
    mine.words.settle();
    mine.counts.lines += n.lines;
    mine.counts.words += n.words;
    co_await s->empty.send(c->text);
  }
}

/// When nobody counts any more.
report merge(shared& s) {
  report r;
  std::vector<tally> all;
  for (auto& one : s.results) {
    if (one == nullptr) continue;  // it was stopped before it began
    r.lines += one->counts.lines;
    r.words += one->counts.words;
    r.undercount += one->words.undercount();
    all.push_back(std::move(one->words));
  }
  r.top = word_count::most_frequent(all, s.asked.top);
  r.files = value(s.read);
  r.bytes = value(s.bytes);
  r.unreadable = value(s.unreadable);
  return r;
}

// ---- the whole

/// A bar on stderr, ten times a second: files read of those found.
task<> show_progress(shared_ref s) {
  auto err = fs::standard_error();
  for (;;) {
    co_await sleep_for(100ms);
    constexpr std::size_t width = 30;
    const std::uint64_t done = value(s->read) + value(s->unreadable);
    const std::uint64_t all = std::max<std::uint64_t>({value(s->found), done, 1});
    const auto filled = static_cast<std::size_t>(done * width / all);
    const std::string line =
        fmt::format("\r\x1b[K[{}{}] {} of {}{} files, {}", std::string(filled, '='),
                    std::string(width - filled, ' '), word_count::grouped(done),
                    word_count::grouped(all), s->walked.load(std::memory_order_relaxed) ? "" : "+",
                    word_count::scaled(static_cast<double>(value(s->bytes)), "B"));
    static_cast<void>(co_await err.write_all(line));
  }
}

task<> count_all(shared_ref s) {
  auto all = [&](errgroup& g) -> task<> {
    g.go(walk_all, s);
    g.go(read_all, s);
    for (std::size_t i = 0; i < s->results.size(); ++i)
      g.go(count_words, s, i);
    co_return;
  };
  static_cast<void>(co_await errgroup::run(all));
}

/// Returns: the exit code.
task<int> count_and_print(shared_ref s, executor_info info) {
  const time_point begin = clock::now();
  join_handle<> progress;
  if (s->interactive) progress = go(show_progress, s);
  const auto counted = co_await with_context(signal_context(SIGINT, SIGTERM), count_all(s));
  report r = merge(*s);
  r.time = clock::now() - begin;

  auto err = fs::standard_error();
  if (progress) {
    progress.cancel();
    static_cast<void>(co_await err.write_all("\r\x1b[K"));
  }
  if (!counted) {
    const std::string why = counted.error().code().message();
    const std::string line = fmt::format("word_count: {}; so far:\n", why);
    static_cast<void>(co_await err.write_all(line));
  }
  const std::string text =
      s->asked.json ? word_count::to_json(r)
                    : word_count::to_text(r, to_string(info.backend), info.reason, info.workers);
  auto out = fs::standard_output();
  auto done = co_await out.write_all(text);
  if (!done) {
    co_await complain(s, done.error());
    co_return 1;
  }
  if (!counted) co_return 128 + counted.error().code().value();
  co_return r.unreadable == 0 ? 0 : 1;
}

/// Readers that leave descriptors for the executor's own: two a worker, and a dozen more.
int affordable_readers(int workers) {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return workers;
  const auto limit = static_cast<long>(std::min<rlim_t>(files.rlim_cur, 1 << 20));
  const long left = limit - 2L * workers - 12;
  return static_cast<int>(std::clamp(left, 1L, static_cast<long>(readers_per_worker * workers)));
}

}  // namespace

int main(int argc, char** argv) {
  settings asked;
  CLI::App app("Counts files, bytes, lines and words, and lists the most frequent words.");
  app.add_option("--top", asked.top, "how many words to list")
      ->check(CLI::Range(0, 1'000'000'000))
      ->capture_default_str();
  app.add_option("--workers", asked.workers, "threads; 0: one per CPU")
      ->check(CLI::Range(0, 512))
      ->capture_default_str();
  app.add_flag("--json", asked.json, "print one JSON object");
  app.add_option("paths", asked.paths, "directories, files, - for standard input")
      ->option_text("[DIR|FILE|-]... (/usr/include)");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  if (asked.paths.empty()) asked.paths.emplace_back("/usr/include");

  try {
    executor ex{{.workers = asked.workers}};
    const executor_info info = ex.info();
    auto s =
        std::make_shared<shared>(std::move(asked), info.workers, affordable_readers(info.workers));
    return ex.go(count_and_print, std::move(s), info).get();
  } catch (const std::exception& e) {
    fmt::print(stderr, "word_count: {}\n", e.what());
    return 2;
  }
}
