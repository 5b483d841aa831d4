#include "report.h"

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <sstream>

namespace retort::benchmarks {
namespace {

constexpr double kMegabyte = 1e6;

/// A number in three digits, or a dash if there is none.
std::string text(double value) {
  if (!(value > 0) || !std::isfinite(value)) return "–";
  std::ostringstream out;
  const int decimals = std::max(0, 2 - static_cast<int>(std::floor(std::log10(value))));
  out << std::fixed << std::setprecision(std::min(decimals, 3)) << value;
  return out.str();
}

double value_of(const std::map<std::string, double>& counters, const std::string& name) {
  const auto found = counters.find(name);
  return found == counters.end() ? 0 : found->second;
}

}  // namespace

Report::Case& Report::case_of(const std::string& name) {
  const auto found = std::find_if(cases_.begin(), cases_.end(), [&](const Case& one) { return one.name == name; });
  if (found != cases_.end()) return *found;
  cases_.push_back({name, {}, {}});
  return cases_.back();
}

void Report::ReportRuns(const std::vector<Run>& runs) {
  ConsoleReporter::ReportRuns(runs);
  for (const Run& run : runs) {
    const std::string& function = run.run_name.function_name;
    const size_t slash = function.rfind('/');
    const bool is_ours = function.substr(slash + 1) == "ours";
    Case& one = case_of(function.substr(0, slash));
    if (run.error_occurred) {
      has_failed_ = has_failed_ || is_ours;
      continue;
    }
    if (run.run_type == Run::RT_Aggregate && run.aggregate_name != "median") continue;
    Form& form = is_ours ? one.ours : one.naive;
    form.milliseconds = run.GetAdjustedRealTime();
    for (const auto& [name, counter] : run.counters) form.counters[name] = counter.value;
  }
}

void Report::print_table(std::ostream& out) const {
  out << "| loss | naive, ms | ours, ms | naive / ours | limit, ms | ours / limit | extra memory: naive, MB | ours, MB "
         "|\n"
      << "| --- | --- | --- | --- | --- | --- | --- | --- |\n";
  for (const Case& one : cases_) {
    const double limit = value_of(one.ours.counters, "limit_ms");
    out << "| " << one.name << " | " << text(one.naive.milliseconds) << " | " << text(one.ours.milliseconds) << " | "
        << text(one.naive.milliseconds / one.ours.milliseconds) << " | " << text(limit) << " | "
        << text(one.ours.milliseconds / limit) << " | " << text(value_of(one.naive.counters, "extra_bytes") / kMegabyte)
        << " | " << text(value_of(one.ours.counters, "extra_bytes") / kMegabyte) << " |\n";
  }
}

}  // namespace retort::benchmarks
