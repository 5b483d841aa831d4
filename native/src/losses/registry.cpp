#include <dlfcn.h>
#include <link.h>
#include <retort/losses/registry.h>

#include <algorithm>
#include <filesystem>
#include <mutex>
#include <utility>

#include "io/whole_file.h"
#include "tensor/check.h"
#include "tensor/spelling.h"

namespace retort {
namespace {

constexpr const char* kRegister = "register_criterion";
constexpr const char* kMake = "make_criterion";
constexpr const char* kLoad = "load_criteria";

struct Entry {
  CriterionFactory factory;
  /// The library that it is from; empty if that is not known.
  std::string file;
  /// Why it can't be used; empty if it can.
  std::string error;
};

class Registry {
 public:
  /// Never destroyed: criteria are made until the process ends.
  static Registry& instance() {
    static auto* registry = new Registry;
    return *registry;
  }

  void add(const std::string& name, Entry entry) {
    const std::lock_guard<std::mutex> lock(mutex_);
    check_new(name, entry.file);
    entries_.emplace(name, std::move(entry));
  }

  /// As add(), but keeps the error instead of throwing it.
  void add_or_keep_error(const std::string& name, Entry entry) {
    const std::lock_guard<std::mutex> lock(mutex_);
    try {
      if (entry.error.empty()) check_new(name, entry.file);
    } catch (const c10::Error& error) {
      entry.error = error.what_without_backtrace();
    }
    if (entry.error.empty()) {
      entries_.emplace(name, std::move(entry));
    } else {
      entries_[name].error = entry.error;
      errors_.emplace(std::move(entry.file), std::move(entry.error));
    }
  }

  std::vector<std::string> names() const {
    return names_if([](const Entry& entry) { return entry.error.empty(); });
  }

  std::vector<std::string> names_of(const std::string& file) const {
    return names_if([&](const Entry& entry) { return entry.error.empty() && entry.file == file; });
  }

  /// What went wrong when a library was loaded; empty if nothing did.
  std::string error_of(const std::string& file) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = errors_.find(file);
    return found == errors_.end() ? std::string() : found->second;
  }

  CriterionFactory factory(const std::string& name) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = entries_.find(name);
    if (found != entries_.end()) {
      if (!found->second.error.empty()) fail(found->second.error);
      return found->second.factory;
    }
    std::vector<std::string> known;
    for (const auto& [other, entry] : entries_) known.push_back(other);
    RETORT_CHECK(
        !known.empty(), kMake, ": name must be that of a registered criterion (got ", name,
        ", but none is registered: load the library that registers it first)");
    fail(kMake, ": name must be ", one_of(known, name));
  }

 private:
  void check_new(const std::string& name, const std::string& file) const {
    const auto is_letter = [](char letter) { return letter >= 'a' && letter <= 'z'; };
    const auto is_part = [&](char letter) {
      return is_letter(letter) || (letter >= '0' && letter <= '9') || letter == '_';
    };
    RETORT_CHECK(
        !name.empty() && is_letter(name.front()) && std::all_of(name.begin(), name.end(), is_part), kRegister,
        ": name must be of small letters, digits and underscores, the first a letter (got ", name, ")");
    const auto found = entries_.find(name);
    RETORT_CHECK(
        found == entries_.end(), kRegister, ": name must be registered once (got ", name, " of ",
        shown(found->second.file), " and of ", shown(file), ")");
  }

  static std::string shown(const std::string& file) { return file.empty() ? "the program" : file; }

  template <typename Condition>
  std::vector<std::string> names_if(const Condition& condition) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::vector<std::string> names;
    for (const auto& [name, entry] : entries_) {
      if (condition(entry)) names.push_back(name);
    }
    return names;
  }

  mutable std::mutex mutex_;
  std::map<std::string, Entry> entries_;
  /// By files.
  std::map<std::string, std::string> errors_;
};

/// The options of a registered criterion under its name.
class RegisteredOptions final : public CriterionOptions {
 public:
  RegisteredOptions(std::string name, std::shared_ptr<CriterionOptions> options, std::string description)
      : name_(std::move(name)), options_(std::move(options)), description_(std::move(description)) {}

  std::shared_ptr<Criterion> build(const FeatureShapes& shapes) const override {
    std::shared_ptr<Criterion> criterion = options_->build(shapes);
    RETORT_CHECK(criterion, name_, ": build must return a criterion (got null)");
    return criterion;
  }

  std::string description() const override { return description_; }

 private:
  std::string name_;
  std::shared_ptr<CriterionOptions> options_;
  std::string description_;
};

/// The loaded file that an address is in, and keeps it loaded: a Java class loader, for one, takes its libraries along.
std::string keep_loaded(const void* address) {
  Dl_info info = {};
  if (::dladdr(address, &info) == 0 || !info.dli_fname) return {};
  ::dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
  return info.dli_fname;
}

}  // namespace

void register_criterion(const std::string& name, CriterionFactory factory) {
  RETORT_CHECK(factory, kRegister, ": factory must be given (got null)");
  Registry::instance().add(name, {std::move(factory), {}, {}});
}

CriterionRegistration::CriterionRegistration(const char* name, CriterionFactory factory, uint64_t layout) noexcept {
  Entry entry{std::move(factory), keep_loaded(this), {}};
  if (layout != kCriterionLayout) {
    entry.error = c10::str(
        kRegister, ": library must be compiled against this version of Retort (got ", name, " of ", entry.file,
        ", compiled against another)");
  }
  Registry::instance().add_or_keep_error(name, std::move(entry));
}

std::vector<std::string> registered_criteria() {
  return Registry::instance().names();
}

std::shared_ptr<CriterionOptions> make_criterion(
    const std::string& name, const std::map<std::string, std::string>& options) {
  const CriterionFactory factory = Registry::instance().factory(name);
  OptionReader reader(name, options);
  std::shared_ptr<CriterionOptions> made = factory(reader);
  RETORT_CHECK(made, name, ": factory must return options (got null)");
  reader.finish();
  return std::make_shared<RegisteredOptions>(name, std::move(made), reader.description());
}

std::vector<std::string> load_criteria(const std::string& path) {
  require_file(kLoad, path);
  // A path without a slash would be looked for in the loader's folders.
  const std::string file = std::filesystem::absolute(path).string();
  void* library = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (!library) {
    const char* reason = ::dlerror();
    fail<FileError>(
        kLoad, ": path must be a library that can be loaded (got ", path, ": ", reason ? reason : "unknown error", ")");
  }
  const link_map* loaded = nullptr;
  ::dlinfo(library, RTLD_DI_LINKMAP, &loaded);
  const std::string name = loaded ? loaded->l_name : file;
  const Registry& registry = Registry::instance();
  if (const std::string error = registry.error_of(name); !error.empty()) fail(error);
  std::vector<std::string> names = registry.names_of(name);
  RETORT_CHECK_AS(
      FileError, !names.empty(), kLoad, ": path must be a library that registers a criterion (got ", path,
      ", which registers none)");
  return names;
}

}  // namespace retort
