#include <retort/losses/registry.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <string_view>
#include <type_traits>
#include <utility>

#include "io/description.h"
#include "tensor/check.h"
#include "tensor/spelling.h"

namespace retort {
namespace {

template <typename T>
bool parse_number(std::string_view text, T& number) {
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && stopped == end;
}

bool parse(std::string_view text, double& number) {
  return parse_number(text, number) && std::isfinite(number);
}

bool parse(std::string_view text, int64_t& number) {
  return parse_number(text, number);
}

std::string_view stripped(std::string_view text) {
  const size_t begin = std::min(text.find_first_not_of(' '), text.size());
  return text.substr(begin, text.find_last_not_of(' ') + 1 - begin);
}

template <typename T>
bool parse(std::string_view text, std::vector<T>& list) {
  text = stripped(text);
  if (text.size() >= 2 && text.front() == '[' && text.back() == ']') text = stripped(text.substr(1, text.size() - 2));
  list.clear();
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    if (!parse(stripped(text.substr(0, comma)), list.emplace_back())) return false;
    if (comma == text.size()) break;
    text.remove_prefix(comma + 1);
    if (text.empty()) return false;
  }
  return true;
}

/// A text that can't be taken for the end of an option.
std::string description_of(const std::string& text) {
  const auto is_plain = [](unsigned char letter) {
    return std::isalnum(letter) || std::string_view("_.+-").find(static_cast<char>(letter)) != std::string_view::npos;
  };
  if (!text.empty() && std::all_of(text.begin(), text.end(), is_plain)) return text;
  std::string described = "\"";
  for (const char letter : text) {
    if (letter == '"' || letter == '\\') described += '\\';
    described += letter;
  }
  return one_line(described + '"');
}

}  // namespace

OptionReader::OptionReader(std::string criterion, std::map<std::string, std::string> values)
    : criterion_(std::move(criterion)), values_(std::move(values)) {}

template <typename T, typename Parse>
void OptionReader::take(const std::string& key, T& option, const Parse& parse) {
  known_.push_back(key);
  if (const auto given = values_.find(key); given != values_.end()) option = parse(given->second);
  if constexpr (std::is_same_v<T, std::string>) {
    texts_.push_back(key + '=' + description_of(option));
  } else {
    texts_.push_back(key + '=' + text_of(option));
  }
}

template <typename T>
void OptionReader::take_parsed(const std::string& key, T& option, const char* rule) {
  take(key, option, [&](const std::string& text) {
    T value{};
    RETORT_CHECK(parse(text, value), criterion_, ": ", key, " must be ", rule, " (got ", text, ")");
    return value;
  });
}

void OptionReader::read(const std::string& key, double& option) {
  take_parsed(key, option, "a finite number");
}

void OptionReader::read(const std::string& key, int64_t& option) {
  take_parsed(key, option, "an integer");
}

void OptionReader::read(const std::string& key, std::vector<double>& option) {
  take_parsed(key, option, "finite numbers between commas");
}

void OptionReader::read(const std::string& key, std::vector<int64_t>& option) {
  take_parsed(key, option, "integers between commas");
}

void OptionReader::read(const std::string& key, bool& option) {
  take(key, option, [&](const std::string& text) {
    RETORT_CHECK(text == "true" || text == "false", criterion_, ": ", key, " must be true or false (got ", text, ")");
    return text == "true";
  });
}

void OptionReader::read(const std::string& key, std::string& option) {
  take(key, option, [](const std::string& text) { return text; });
}

void OptionReader::read(const std::string& key, std::string& option, const std::vector<std::string>& choices) {
  take(key, option, [&](const std::string& text) {
    RETORT_CHECK(
        std::find(choices.begin(), choices.end(), text) != choices.end(), criterion_, ": ", key, " must be ",
        one_of(choices, text));
    return text;
  });
}

void OptionReader::finish() const {
  for (const auto& [key, value] : values_) {
    if (std::find(known_.begin(), known_.end(), key) != known_.end()) continue;
    RETORT_CHECK(!known_.empty(), criterion_, ": options must be none (got ", key, ")");
    fail(criterion_, ": option must be ", one_of(known_, key));
  }
}

std::string OptionReader::description() const {
  return c10::str(criterion_, '(', c10::Join(", ", texts_), ')');
}

}  // namespace retort
