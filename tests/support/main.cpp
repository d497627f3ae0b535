// SPDX-License-Identifier: MIT
// The main function of every test executable. Beside what doctest's own does, it fails when a
// filter matched no case (a renamed case would pass unseen), and exits with 77 when every case
// that ran called skip().
#define DOCTEST_CONFIG_IMPLEMENT
#include "support/skip.hpp"

#include <cstdio>

#include <doctest/doctest.h>

namespace {

constexpr int exit_no_case = 2;
constexpr int exit_skipped = 77;  // ctest's SKIP_RETURN_CODE, as in liburing's tests

int cases_run = 0;

// Counts the cases that start.
class case_counter : public doctest::IReporter {
 public:
  explicit case_counter(const doctest::ContextOptions& /*options*/) {}

  void report_query(const doctest::QueryData& /*data*/) override {}
  void test_run_start() override {}
  void test_run_end(const doctest::TestRunStats& /*stats*/) override {}
  void test_case_start(const doctest::TestCaseData& /*data*/) override { ++cases_run; }
  void test_case_reenter(const doctest::TestCaseData& /*data*/) override {}
  void test_case_end(const doctest::CurrentTestCaseStats& /*stats*/) override {}
  void test_case_exception(const doctest::TestCaseException& /*exception*/) override {}
  void subcase_start(const doctest::SubcaseSignature& /*signature*/) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData& /*data*/) override {}
  void log_message(const doctest::MessageData& /*data*/) override {}
  void test_case_skipped(const doctest::TestCaseData& /*data*/) override {}
};

}  // namespace

REGISTER_LISTENER("case_counter", 1, case_counter);

int main(int argc, char** argv) {
  doctest::Context context(argc, argv);
  const int status = context.run();
  if (context.shouldExit() || status != 0) return status;
  if (cases_run == 0) {
    std::fputs("no case matches the filter\n", stderr);
    return exit_no_case;
  }
  return sluice_test::skipped_cases == cases_run ? exit_skipped : status;
}
