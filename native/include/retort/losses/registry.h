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

/// The options of a registered criterion by their keys, as Java, recipes and `make_criterion` give them. Whoever makes
/// the options reads each of them once; keys that nobody has read are refused, and what was read is the description in
/// checkpoints, defaults included.
class RETORT_API OptionReader {
 public:
  /// @param criterion its name, for error messages
  /// @param values texts by keys
  OptionReader(std::string criterion, std::map<std::string, std::string> values);

  /// Sets an option if its key was given; otherwise the option keeps its value, the default.
  /// @throws c10::ValueError if the text is not a finite number
  void read(const std::string& key, double& option);
  /// @throws c10::ValueError if the text is not an integer
  void read(const std::string& key, int64_t& option);
  /// @throws c10::ValueError if the text is neither `true` nor `false`
  void read(const std::string& key, bool& option);
  void read(const std::string& key, std::string& option);
  /// @param choices what the text may be
  /// @throws c10::ValueError if it is something else
  void read(const std::string& key, std::string& option, const std::vector<std::string>& choices);
  /// Numbers between commas, in brackets or not, e.g. `[0.5, 1]`.
  /// @throws c10::ValueError if one is not a finite number
  void read(const std::string& key, std::vector<double>& option);
  /// @throws c10::ValueError if one is not an integer
  void read(const std::string& key, std::vector<int64_t>& option);

  /// Refuses keys that were not read.
  /// @throws c10::ValueError if there are any
  void finish() const;

  /// What was read, e.g. `attention_transfer(power=2)`. Texts other than letters, digits and `_.+-` are quoted.
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

/// Makes the options of a criterion. Called by `make_criterion` on any thread.
using CriterionFactory = std::function<std::shared_ptr<CriterionOptions>(OptionReader& options)>;

/// Registers a criterion, for this process and until it ends. Thread-safe. Most libraries use
/// RETORT_REGISTER_CRITERION.
/// @param name of small letters, digits and underscores, the first a letter, e.g. `attention_transfer`
/// @throws c10::ValueError if the name is something else or is registered already
RETORT_API void register_criterion(const std::string& name, CriterionFactory factory);

/// The names of all registered criteria, in alphabetical order. Thread-safe.
RETORT_API std::vector<std::string> registered_criteria();

/// Makes the options of a registered criterion, for a Term. Their description, in checkpoints, consists of the name and
/// all options. Thread-safe.
///
///     const auto loss = retort::make_criterion("attention_transfer", {{"power", "2"}});
///     options.terms = {{1000, loss, {"layer1"}, {"layer1"}}};
///
/// @param options texts by keys; see OptionReader
/// @throws c10::ValueError if there is no such name or key, or the text of an option is wrong
RETORT_API std::shared_ptr<CriterionOptions> make_criterion(
    const std::string& name, const std::map<std::string, std::string>& options = {});

/// Loads a shared library that registers criteria with RETORT_REGISTER_CRITERION. The library stays loaded until the
/// process ends; loading it again changes nothing.
///
/// **The library is native code: load only files you trust.**
/// @param path of a library that was linked against this version of Retort, and of LibTorch
/// @return the names that it has registered, at least one, in alphabetical order
/// @throws FileError if the file is missing, cannot be loaded or registers no criterion
/// @throws c10::ValueError if a name is wrong or was registered by another library before
RETORT_API std::vector<std::string> load_criteria(const std::string& path);

/// What a library and Retort must agree on, since a criterion is handed across: the layout of the types that
/// retort/losses/criterion.h declares.
inline constexpr uint64_t kCriterionLayout =
    sizeof(Criterion) << 32 | sizeof(CriterionInput) << 16 | sizeof(FeatureShapes);

/// Registers a criterion when the library that has it as a static object is loaded, and keeps that library loaded.
/// Since nobody can catch what is thrown then, an error is kept: `load_criteria` and `make_criterion` throw it.
class RETORT_API CriterionRegistration {
 public:
  /// @param layout that of the caller
  CriterionRegistration(const char* name, CriterionFactory factory, uint64_t layout = kCriterionLayout) noexcept;
};

/// Registers a criterion by its name when the library or program that this is part of is loaded:
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
