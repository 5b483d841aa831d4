#pragma once

#include <c10/util/StringUtil.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "io/description.h"
#include "losses/names.h"
#include "tensor/check.h"
#include "tensor/numbers.h"

namespace retort {

// What an option may be.
constexpr auto kPositive = [](const char* function, const char* name, double value) {
  check_positive(function, name, value);
};
constexpr auto kNotNegative = [](const char* function, const char* name, double value) {
  check_not_negative(function, name, value);
};
constexpr auto kBelowOne = [](const char* function, const char* name, double value) {
  RETORT_CHECK(
      value >= 0 && value < 1, function, ": ", name, " must be at least 0 and below 1 (got ",
      without_sign_of_nan(value), ")");
};
constexpr auto kPortion = [](const char* function, const char* name, double value) {
  RETORT_CHECK(
      value >= 0 && value <= 1, function, ": ", name, " must be between 0 and 1 (got ", without_sign_of_nan(value),
      ")");
};
constexpr auto kAtLeastOne = [](const char* function, const char* name, int64_t value) {
  RETORT_CHECK(value >= 1, function, ": ", name, " must be at least 1 (got ", value, ")");
};

/// The options of a loss, which list them once: as calls of a visitor, visit(name, value), visit(name, value, rule) or,
/// for an enum, visit(names, value). From there they are checked, described, and declared in schemas.
template <typename List>
class OptionList {
 public:
  constexpr OptionList(const char* function, List list) : function_(function), list_(list) {}

  /// Requires each option to follow its rule.
  template <typename Options>
  void check(const Options& options) const {
    list_(options, Check{function_});
  }

  /// What CriterionOptions::description returns.
  template <typename Options>
  std::string describe(const Options& options) const {
    std::vector<Option> all;
    list_(options, Describe{all});
    return retort::describe(function_, all);
  }

  /// A schema in which each option in braces is replaced by its declaration: {temperature} by float temperature=4.
  /// @param defaults default-constructed options
  template <typename Options>
  std::string schema(std::string text, const Options& defaults) const {
    list_(defaults, Declare{text});
    RETORT_CHECK(text.find('{') == std::string::npos, function_, ": schema must name options only (got ", text, ")");
    return text;
  }

 private:
  struct Check {
    const char* function;

    template <typename T>
    void operator()(const char* /*name*/, const T& /*value*/) const {}
    template <typename T, typename Rule>
    void operator()(const char* name, const T& value, const Rule& rule) const {
      rule(function, name, value);
    }
    template <typename T, typename Rule>
    void operator()(const char* name, const std::optional<T>& value, const Rule& rule) const {
      if (value) rule(function, name, *value);
    }
    template <typename Enum, size_t kCount>
    void operator()(const Names<Enum, kCount>& names, Enum value) const {
      names.of(value);
    }
  };

  struct Describe {
    std::vector<Option>& all;

    template <typename T, typename... Rule>
    void operator()(const char* name, const T& value, const Rule&... /*rule*/) const {
      all.emplace_back(name, value);
    }
    template <typename Enum, size_t kCount>
    void operator()(const Names<Enum, kCount>& names, Enum value) const {
      all.emplace_back(names.argument, names.of(value));
    }
  };

  struct Declare {
    std::string& text;

    template <typename T, typename... Rule>
    void operator()(const char* name, const T& value, const Rule&... /*rule*/) const {
      replace(name, declaration(name, value));
    }
    template <typename Enum, size_t kCount>
    void operator()(const Names<Enum, kCount>& names, Enum value) const {
      replace(names.argument, c10::str("str ", names.argument, "=\"", names.of(value), '"'));
    }

    void replace(const char* name, const std::string& declaration) const {
      const std::string place = c10::str('{', name, '}');
      const size_t at = text.find(place);
      if (at != std::string::npos) text.replace(at, place.size(), declaration);
    }

    static std::string with_point(double value) {
      const std::string digits = text_of(value);
      return digits.find_first_of(".e") == std::string::npos ? digits + '.' : digits;
    }

    static std::string declaration(const char* name, double value) {
      return c10::str("float ", name, '=', with_point(value));
    }
    static std::string declaration(const char* name, int64_t value) { return c10::str("int ", name, '=', value); }
    static std::string declaration(const char* name, bool value) {
      return c10::str("bool ", name, '=', value ? "True" : "False");
    }
    static std::string declaration(const char* name, const std::optional<double>& value) {
      return c10::str("float? ", name, '=', value ? with_point(*value) : "None");
    }
    static std::string declaration(const char* name, const std::vector<int64_t>& value) {
      return c10::str("int[] ", name, '=', text_of(value));
    }
    /// Of options that no operator takes.
    template <typename T>
    static std::string declaration(const char* name, const T& /*value*/) {
      return name;
    }
  };

  const char* function_;
  List list_;
};

}  // namespace retort
