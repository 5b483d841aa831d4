#include "train/configuration.h"

#include <retort/train/stored_outputs.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <sstream>
#include <string_view>
#include <utility>
#include <vector>

#include "io/description.h"

namespace retort {
namespace {

constexpr std::string_view kNothing = "nothing";

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

std::string_view value_of_option(std::string_view option) {
  return option.substr(std::min(option.size(), key_of(option).size() + 1));
}

/// The names of an enum's values, by the option that has them.
std::string named(std::string_view key, std::string_view value) {
  static const std::map<std::string_view, std::vector<const char*>> kNames = {
      {"student_format", {"contiguous", "channels_last", "auto"}},
      {"teacher_format", {"contiguous", "channels_last", "auto"}},
      {"format", {"contiguous", "channels_last", "auto"}},
      {"precision", {"full", "bfloat16", "float16"}},
      {"batch_norm_over", {"own batch", "all ranks"}},
      {"batch_norm", {"evaluation", "training", "batch_statistics"}},
      {"student_precision", {"full", "bfloat16", "float16"}},
      {"teacher_precision", {"full", "bfloat16", "float16"}},
      {"teacher_batch_norm", {"evaluation", "training", "batch_statistics"}},
      {"teacher_mean", {"none", "logits", "probabilities"}}};
  const auto names = kNames.find(key);
  if (names == kNames.end()) return std::string(value);
  for (size_t i = 0; i < names->second.size(); ++i) {
    if (value == std::to_string(i)) return names->second[i];
  }
  return std::string(value);
}

/// A value as a message shows it: of a call its name, and no more than fits a line.
std::string shown(std::string_view key, std::string_view value) {
  if (const auto call = parse(value)) return std::string(call->name);
  constexpr size_t kMost = 60;
  return value.size() <= kMost ? named(key, value) : std::string(value.substr(0, kMost)) + "...";
}

std::optional<std::string_view> value_in(const Call& call, std::string_view key) {
  const auto found = std::find_if(
      call.options.begin(), call.options.end(), [&](std::string_view option) { return key_of(option) == key; });
  return found == call.options.end() ? std::nullopt : std::optional(value_of_option(*found));
}

/// Of two different values of an option what they differ in.
/// @param place what the option is of, e.g. " of kd_loss of term 0"
ConfigurationDifference difference_of(
    std::string_view key, std::string_view own, std::string_view other, const std::string& place) {
  const auto one = parse(own), two = parse(other);
  if (one && two && one->name == two->name) {
    std::string inner = place;
    if (key == "criterion" || key == "optimizer") {
      inner = c10::str(" of ", one->name, place);
    } else if (key != "step" && key != "stage" && key != "options") {
      inner = c10::str(" of ", key, place);
    }
    for (const Call* call : {&*one, &*two}) {
      for (const std::string_view option : call->options) {
        const std::string_view name = key_of(option);
        const auto mine = value_in(*one, name), others = value_in(*two, name);
        if (mine != others) return difference_of(name, mine.value_or(kNothing), others.value_or(kNothing), inner);
      }
    }
  }
  return {std::string(key) + place, shown(key, own), shown(key, other)};
}

/// A line of a configuration.
struct Line {
  /// What it tells of, e.g. "term 0", and of which stage that is, e.g. " of stage 1".
  std::string key;
  std::string place;
  std::string text;
};

/// A stage's lines are followed by those of its terms, whose number is told before.
std::vector<Line> lines_of(const std::string& configuration) {
  std::istringstream texts(configuration);
  std::vector<Line> lines;
  std::string text, place;
  int64_t stage = -1, line_of_stage = 0;
  size_t number = 0;
  while (std::getline(texts, text)) {
    const auto call = parse(text);
    const std::string name(call ? call->name : std::string_view("configuration"));
    if (name == "stage") {
      line_of_stage = 0;
      if (++stage > 0) place = " of stage " + std::to_string(stage);
      lines.push_back({"number of terms", place, "0"});
      number = lines.size() - 1;
    }
    std::string key = name;
    if (name == "teacher") key = c10::str(name, ' ', value_in(*call, "name").value_or(kNothing));
    if (stage >= 0 && line_of_stage == 2) key = "optimizer";
    if (stage >= 0 && line_of_stage > 2) {
      lines[number].text = std::to_string(line_of_stage - 2);
      key = "term " + std::to_string(line_of_stage - 3);
    }
    lines.push_back({std::move(key), place, text});
    ++line_of_stage;
  }
  return lines;
}

void describe_teacher(const TeacherOptions& teacher, std::ostream& text) {
  std::vector<Option> of_teacher = {
      {"name", teacher.name},
      {"weight", teacher.weight},
      {"input_shape", teacher.preprocessing.input_shape},
      {"images", teacher.preprocessing.description()},
      {"format", static_cast<int64_t>(teacher.format)},
      {"precision", static_cast<int64_t>(teacher.precision)},
      {"batch_norm", static_cast<int64_t>(teacher.batch_norm)}};
  if (teacher.stored_outputs) of_teacher.emplace_back("outputs", teacher.stored_outputs->description());
  text << describe("teacher", of_teacher) << '\n';
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
    std::vector<Option> of_term = {
        {"weight", term.weight},
        {"schedule", term.schedule.description()},
        {"criterion", term.criterion->description()},
        {"student_taps", term.student_taps},
        {"teacher_taps", term.teacher_taps}};
    // Where they say nothing, the text is as before there were several teachers.
    if (!term.teachers.empty()) of_term.emplace_back("teachers", term.teachers);
    if (term.teacher_mean != TeacherMean::kNone) {
      of_term.emplace_back("teacher_mean", static_cast<int64_t>(term.teacher_mean));
    }
    text << describe("term", of_term) << '\n';
  }
}

}  // namespace

std::string configuration_of(const TrainingStepOptions& options) {
  std::ostringstream text;
  const TeacherOptions& first = options.teachers.front();
  std::vector<Option> of_step = {
      {"input_shape", options.input_shape},
      {"accumulate", options.accumulate},
      {"clip_norm", options.clip_norm},
      {"clip_value", options.clip_value},
      {"student_format", static_cast<int64_t>(options.student_format)},
      {"teacher_format", static_cast<int64_t>(first.format)},
      {"student_precision", static_cast<int64_t>(options.student_precision)},
      {"teacher_precision", static_cast<int64_t>(first.precision)},
      {"teacher_batch_norm", static_cast<int64_t>(first.batch_norm)},
      {"stages", static_cast<int64_t>(options.later_stages.size() + 1)}};
  // Otherwise the text is as before there were several teachers, so that files of that time can be resumed.
  const bool tells_teachers = options.teachers.size() > 1 || first.name != TeacherOptions().name ||
                              first.preprocessing != options.preprocessing;
  if (tells_teachers) {
    std::vector<std::string> names;
    for (const TeacherOptions& teacher : options.teachers) names.push_back(teacher.name);
    of_step.emplace_back("teachers", names);
  }
  text << describe("step", of_step) << '\n' << options.preprocessing.description() << '\n';
  if (tells_teachers) {
    for (const TeacherOptions& teacher : options.teachers) describe_teacher(teacher, text);
  } else if (first.stored_outputs) {
    text << first.stored_outputs->description() << '\n';
  }
  describe_stage(options, text);
  for (const Stage& stage : options.later_stages) describe_stage(stage, text);
  return text.str();
}

std::optional<ConfigurationDifference> find_difference(const std::string& own, const std::string& other) {
  if (own == other) return std::nullopt;
  const std::vector<Line> own_lines = lines_of(own), others = lines_of(other);
  const auto text_in = [](const std::vector<Line>& lines, const Line& like) {
    const auto found = std::find_if(lines.begin(), lines.end(), [&](const Line& candidate) {
      return candidate.key == like.key && candidate.place == like.place;
    });
    return found == lines.end() ? kNothing : std::string_view(found->text);
  };
  for (const Line& line : own_lines) {
    const std::string_view text = text_in(others, line);
    if (text != line.text) return difference_of(line.key, line.text, text, line.place);
  }
  for (const Line& line : others) {
    if (text_in(own_lines, line) == kNothing) return difference_of(line.key, kNothing, line.text, line.place);
  }
  // Only a forged file has one of them twice.
  return ConfigurationDifference{"configuration", "of no more lines", "more"};
}

}  // namespace retort
