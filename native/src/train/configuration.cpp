#include "train/configuration.h"

#include <cstdint>
#include <sstream>
#include <string_view>
#include <utility>
#include <vector>

#include "io/description.h"

namespace retort {
namespace {

using Pair = std::pair<std::string, std::string>;

/// `name(key=value, key=value)`, taken apart.
struct Call {
  std::string_view name;
  std::vector<std::string_view> options;
};

/// The parts between commas that are in no brackets.
std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> parts;
  int depth = 0;
  size_t begin = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '(' || text[i] == '[') ++depth;
    if (text[i] == ')' || text[i] == ']') --depth;
    if (depth == 0 && text.substr(i, 2) == ", ") {
      parts.push_back(text.substr(begin, i - begin));
      begin = i + 2;
    }
  }
  parts.push_back(text.substr(begin));
  return parts;
}

/// Nothing if it is no call.
std::optional<Call> parse(std::string_view text) {
  const size_t open = text.find('(');
  if (open == std::string_view::npos || text.back() != ')' || text.find('[') < open) return std::nullopt;
  return Call{text.substr(0, open), split(text.substr(open + 1, text.size() - open - 2))};
}

std::string_view key_of(std::string_view option) {
  return option.substr(0, option.find('='));
}

std::string_view value_of(std::string_view option) {
  return option.substr(std::min(option.size(), key_of(option).size() + 1));
}

/// The whole of something, but not more than fits a line.
std::string shortened(std::string_view text) {
  if (const auto call = parse(text)) return std::string(call->name) + "(...)";
  constexpr size_t kMost = 60;
  return text.size() <= kMost ? std::string(text) : std::string(text.substr(0, kMost)) + "...";
}

/// Of two different texts what they differ in.
Pair difference_of(std::string_view own, std::string_view other) {
  const auto one = parse(own), two = parse(other);
  if (one && two && one->name == two->name && one->options.size() == two->options.size()) {
    for (size_t i = 0; i < one->options.size(); ++i) {
      const std::string_view mine = one->options[i], others = two->options[i];
      if (mine == others) continue;
      if (key_of(mine) != key_of(others)) break;
      const Pair inner = difference_of(value_of(mine), value_of(others));
      const std::string start = c10::str(one->name, '(', key_of(mine), '=');
      return {start + inner.first + ')', start + inner.second + ')'};
    }
  }
  return {shortened(own), shortened(other)};
}

void describe_stage(const Stage& stage, std::ostream& text) {
  text << describe("stage", {{"steps", stage.steps}, {"trained", stage.trained}}) << '\n'
       << describe(
              "cross_entropy", {{"weight", stage.cross_entropy.weight},
                                {"schedule", stage.cross_entropy.schedule.description()},
                                {"criterion", stage.cross_entropy.options.description()}})
       << '\n'
       << stage.optimizer->description() << '\n';
  for (const Term& term : stage.terms) {
    text << describe(
                "term", {{"weight", term.weight},
                         {"schedule", term.schedule.description()},
                         {"criterion", term.criterion->description()},
                         {"student_taps", term.student_taps},
                         {"teacher_taps", term.teacher_taps}})
         << '\n';
  }
}

/// Where the lines of a configuration belong.
class Place {
 public:
  void next(const std::string& line) {
    const auto call = parse(line);
    const std::string_view name = call ? call->name : std::string_view();
    is_term_ = name == "term";
    if (is_term_) ++term_;
    if (name == "stage") {
      ++stage_;
      term_ = -1;
    }
  }

  std::string text() const {
    const std::string of_term = is_term_ ? " as term " + std::to_string(term_) : "";
    return stage_ > 0 ? of_term + " of stage " + std::to_string(stage_) : of_term;
  }

 private:
  int64_t stage_ = -1;
  int64_t term_ = -1;
  bool is_term_ = false;
};

}  // namespace

std::string configuration_of(const TrainingStepOptions& options) {
  std::ostringstream text;
  text << describe(
              "step", {{"input_shape", options.input_shape},
                       {"accumulate", options.accumulate},
                       {"clip_norm", options.clip_norm},
                       {"clip_value", options.clip_value},
                       {"student_format", static_cast<int64_t>(options.student_format)},
                       {"teacher_format", static_cast<int64_t>(options.teacher_format)},
                       {"student_precision", static_cast<int64_t>(options.student_precision)},
                       {"teacher_precision", static_cast<int64_t>(options.teacher_precision)},
                       {"teacher_batch_norm", static_cast<int64_t>(options.teacher_batch_norm)},
                       {"stages", static_cast<int64_t>(options.later_stages.size() + 1)}})
       << '\n'
       << options.preprocessing.description() << '\n';
  describe_stage(options, text);
  for (const Stage& stage : options.later_stages) describe_stage(stage, text);
  return text.str();
}

std::optional<ConfigurationDifference> find_difference(const std::string& own, const std::string& other) {
  std::istringstream own_lines(own), other_lines(other);
  std::string own_line, other_line;
  Place place;
  do {
    own_line.clear();
    other_line.clear();
    std::getline(own_lines, own_line);
    std::getline(other_lines, other_line);
    place.next(own_line);
    if (own_line == other_line) continue;
    if (own_line.empty()) return ConfigurationDifference{"no more parts", shortened(other_line)};
    if (other_line.empty()) return ConfigurationDifference{shortened(own_line) + place.text(), "nothing more"};
    auto [mine, others] = difference_of(own_line, other_line);
    return ConfigurationDifference{mine + place.text(), std::move(others)};
  } while (own_lines && other_lines);
  return std::nullopt;
}

}  // namespace retort
