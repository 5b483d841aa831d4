#include "models/module_tap.h"

#include <set>

#include "tensor/check.h"
#include "tensor/spelling.h"

namespace retort {
namespace {

constexpr size_t kSuggestions = 5;

ModuleTap parse_tap(const char* function, const std::string& text) {
  ModuleTap tap;
  const size_t equals = text.find('=');
  tap.text = equals == std::string::npos ? text : text.substr(equals + 1);
  tap.name = text.substr(0, equals);
  tap.path = tap.text;
  const std::string input = ":in";
  if (tap.path.size() >= input.size() && tap.path.compare(tap.path.size() - input.size(), input.size(), input) == 0) {
    tap.is_input = true;
    tap.path.erase(tap.path.size() - input.size());
  }
  bool is_readable = true;
  if (const size_t mark = tap.path.find('@'); mark != std::string::npos) {
    const std::string number = tap.path.substr(mark + 1);
    is_readable = !number.empty() && number.size() < 10 && number.find_first_not_of("0123456789") == std::string::npos;
    if (is_readable) tap.call = std::stoll(number);
    tap.path.erase(mark);
  }
  RETORT_CHECK(
      is_readable && !tap.name.empty() && !tap.path.empty(), function,
      ": tap must be a module's path such as layer1=layer1.1.relu@0 or layer1.1.relu:in (got ", text, ")");
  return tap;
}

}  // namespace

std::vector<ModuleTap> parse_module_taps(const char* function, const std::vector<std::string>& texts) {
  std::vector<ModuleTap> taps;
  std::set<std::string> names;
  for (const std::string& text : texts) {
    taps.push_back(parse_tap(function, text));
    RETORT_CHECK(
        names.insert(taps.back().name).second, function, ": taps must have names of their own (got ", taps.back().name,
        " twice)");
  }
  return taps;
}

void fail_for_path(const char* function, const ModuleTap& tap, const std::vector<std::string>& known) {
  fail(
      function, ": tap must be at one of the program's ", known.size(), " modules (got ", tap.text,
      known.empty() ? "" : ", did you mean " + c10::Join(", ", nearest(known, tap.path, kSuggestions)) + "?", ")");
}

void fail_for_call(const char* function, const ModuleTap& tap, int64_t last) {
  fail(function, ": tap must be at one of the calls @0 to @", last, " of ", tap.path, " (got ", tap.text, ")");
}

void fail_for_count(const char* function, const ModuleTap& tap, size_t count) {
  fail(
      function, ": tap must be at a module that ", tap.is_input ? "takes" : "returns", " one tensor (got ", tap.text,
      ", which ", tap.is_input ? "takes " : "returns ", count, ")");
}

}  // namespace retort
