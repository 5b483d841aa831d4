#include "report.h"

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <sstream>

#include "device.h"

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

/// Whether a case gave no times. Google Benchmark 1.8 has another name for it than those before.
template <typename Run>
auto was_skipped(const Run& run, int /*preferred*/) -> decltype(run.error_occurred) {
  return run.error_occurred;
}

template <typename Run>
bool was_skipped(const Run& run, long /*otherwise*/) {
  return run.skipped != 0;
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
    if (was_skipped(run, 0)) {
      has_failed_ = has_failed_ || is_ours;
      continue;
    }
    if (run.run_type == Run::RT_Aggregate && run.aggregate_name != "median") continue;
    Form& form = is_ours ? one.ours : one.naive;
    form.milliseconds = run.GetAdjustedRealTime();
    for (const auto& [name, counter] : run.counters) form.counters[name] = counter.value;
  }
}

std::vector<Report::Column> Report::columns() {
  const auto counter = [](Form Case::*form, const char* name, double scale) {
    return [=](const Case& one) { return value_of((one.*form).counters, name) * scale; };
  };
  const auto products = counter(&Case::ours, "products_ms", 1);
  const auto copies = counter(&Case::ours, "copies_ms", 1);
  const auto limit = [=](const Case& one) { return std::max(products(one), copies(one)); };
  const auto ours = [](const Case& one) { return one.ours.milliseconds; };
  std::vector<Column> columns = {
      {"naive, ms", [](const Case& one) { return one.naive.milliseconds; }},
      {"ours, ms", ours},
      {"naive / ours", [](const Case& one) { return one.naive.milliseconds / one.ours.milliseconds; }},
  };
  if (is_on_gpu()) {
    columns.push_back({"of the rate of copies, %", [=](const Case& one) { return 100 * copies(one) / ours(one); }});
    columns.push_back({"of cuBLAS's rate, %", [=](const Case& one) { return 100 * products(one) / ours(one); }});
  } else {
    columns.push_back({"limit, ms", limit});
    columns.push_back({"ours / limit", [=](const Case& one) { return ours(one) / limit(one); }});
  }
  columns.push_back({"extra memory: naive, MB", counter(&Case::naive, "extra_bytes", 1 / kMegabyte)});
  columns.push_back({"ours, MB", counter(&Case::ours, "extra_bytes", 1 / kMegabyte)});
  return columns;
}

void Report::print_table(std::ostream& out) const {
  const std::vector<Column> all = columns();
  out << "| loss |";
  for (const Column& column : all) out << ' ' << column.title << " |";
  out << "\n| --- |";
  for (size_t i = 0; i < all.size(); ++i) out << " --- |";
  out << '\n';
  for (const Case& one : cases_) {
    out << "| " << one.name << " |";
    for (const Column& column : all) out << ' ' << text(column.value(one)) << " |";
    out << '\n';
  }
}

}  // namespace retort::benchmarks
