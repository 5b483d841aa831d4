#pragma once

#include <benchmark/benchmark.h>

#include <functional>
#include <map>
#include <ostream>
#include <string>
#include <vector>

namespace retort::benchmarks {

/// Prints results as they come, and remembers them for a table.
class Report final : public benchmark::ConsoleReporter {
 public:
  Report() : ConsoleReporter(OO_None) {}

  void ReportRuns(const std::vector<Run>& runs) override;

  /// A table in Markdown: for each case the time of both forms, how they compare with each other and with the limits of
  /// the machine or GPU, and the memory they take beside their inputs.
  void print_table(std::ostream& out) const;

  bool has_failed() const { return has_failed_; }

 private:
  struct Form {
    double milliseconds = 0;
    std::map<std::string, double> counters;
  };
  struct Case {
    std::string name;
    Form ours;
    Form naive;
  };

  struct Column {
    std::string title;
    std::function<double(const Case&)> value;
  };

  static std::vector<Column> columns();
  Case& case_of(const std::string& name);

  std::vector<Case> cases_;
  bool has_failed_ = false;
};

}  // namespace retort::benchmarks
