#pragma once

#include <c10/macros/Macros.h>
#include <retort/export.h>
#include <retort/losses/criterion.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace retort {

/// The options of a registered criterion, as text values by key, from Java, recipes or `make_criterion`. A
/// CriterionFactory reads each of them once. Keys that it has not read are rejected; what it has read, including
/// defaults, is the description in checkpoints.
class RETORT_API OptionReader {
 public:
  /// @param criterion its name, for error messages
  /// @param values text values by key
  OptionReader(std::string criterion, std::map<std::string, std::string> values);

  /// Sets an option if its key was given; otherwise, the option keeps its value, the default.
  /// @throws c10::ValueError if the text is not a finite number
  void read(const std::string& key, double& option);
  /// @throws c10::ValueError if the text is not an integer
  void read(const std::string& key, int64_t& option);
  /// @throws c10::ValueError if the text is neither `true` nor `false`
  void read(const std::string& key, bool& option);
  void read(const std::string& key, std::string& option);
  /// @param choices the allowed texts
  /// @throws c10::ValueError if the text is not one of them
  void read(const std::string& key, std::string& option, const std::vector<std::string>& choices);
  /// Reads numbers separated by commas, with or without brackets, e.g. `[0.5, 1]`.
  /// @throws c10::ValueError if one is not a finite number
  void read(const std::string& key, std::vector<double>& option);
  /// @throws c10::ValueError if one is not an integer
  void read(const std::string& key, std::vector<int64_t>& option);

  /// Rejects keys that were not read.
  /// @throws c10::ValueError if there are any
  void finish() const;

  /// Returns what was read, e.g. `attention_transfer(power=2)`. Texts with characters other than letters, digits and
  /// `_.+-` are quoted.
  std::string description() const;

 private:
  template <typename T, typename Parse>
  void take(const std::string& key, T& option, const Parse& parse);
  template <typename T>
  void take_parsed(const std::string& key, T& option, const char* rule);

  std::string criterion_;
  std::map<std::string, std::string> values_;
  std::vector<std::string> known_;
  std::vector<std::string> texts_;
};

/// Creates the options of a criterion. Called by `make_criterion`, on any thread.
using CriterionFactory = std::function<std::shared_ptr<CriterionOptions>(OptionReader& options)>;

/// Registers a criterion until the process ends. Thread-safe. Most libraries use RETORT_REGISTER_CRITERION.
/// @param name lowercase letters, digits and underscores, starting with a letter, e.g. `attention_transfer`
/// @throws c10::ValueError if the name has another form or is already registered
RETORT_API void register_criterion(const std::string& name, CriterionFactory factory);

/// Returns the names of all registered criteria, in alphabetical order. Thread-safe.
RETORT_API std::vector<std::string> registered_criteria();

/// Creates the options of a registered criterion, for a Term. In checkpoints, they are described by the name and all
/// options. Thread-safe.
///
///     const auto loss = retort::make_criterion("attention_transfer", {{"power", "2"}});
///     options.terms = {{1000, loss, {"layer1"}, {"layer1"}}};
///
/// @param options text values by key; see OptionReader
/// @throws c10::ValueError if there is no such name or key, or the text of an option is invalid
RETORT_API std::shared_ptr<CriterionOptions> make_criterion(
    const std::string& name, const std::map<std::string, std::string>& options = {});

/// Loads a shared library that registers criteria with RETORT_REGISTER_CRITERION. It stays loaded until the process
/// ends; loading it again has no effect.
///
/// **The library is native code: load only files you trust.**
/// @param path a library linked against this version of Retort and of LibTorch
/// @return the names of the criteria that it registers, at least one, in alphabetical order
/// @throws FileError if the file is missing, can't be loaded or registers no criterion
/// @throws c10::ValueError if a name is invalid, or another library has already registered it
RETORT_API std::vector<std::string> load_criteria(const std::string& path);

/// What a library and Retort must agree on, since they exchange criteria: the layout of the types that
/// retort/losses/criterion.h declares.
inline constexpr uint64_t kCriterionLayout =
    sizeof(Criterion) << 32 | sizeof(CriterionInput) << 16 | sizeof(FeatureShapes);

/// Registers a criterion when the library that contains this static object is loaded, and keeps that library loaded.
/// Since no exception can be caught at that time, an error is stored: `load_criteria` and `make_criterion` throw it.
class RETORT_API CriterionRegistration {
 public:
  /// @param layout the caller's layout
  CriterionRegistration(const char* name, CriterionFactory factory, uint64_t layout = kCriterionLayout) noexcept;
};

/// Registers a criterion by name when the library or program that contains this line is loaded:
///
///     struct MyOptions : retort::CriterionOptions {
///       double power = 2;
///
///       void read(retort::OptionReader& options) { options.read("power", power); }
///       std::shared_ptr<retort::Criterion> build(const retort::FeatureShapes& shapes) const override;
///     };
///
///     RETORT_REGISTER_CRITERION("my_loss", MyOptions);
///
/// @param name see register_criterion
/// @param Options default-constructible CriterionOptions with a method `read(OptionReader&)`
#define RETORT_REGISTER_CRITERION(name, Options)                                                \
  static const ::retort::CriterionRegistration C10_ANONYMOUS_VARIABLE(retort_registration)(     \
      name, [](::retort::OptionReader& reader) -> std::shared_ptr<::retort::CriterionOptions> { \
        auto options = std::make_shared<Options>();                                             \
        options->read(reader);                                                                  \
        return options;                                                                         \
      })

}  // namespace retort
