// The arrows between the library's folders, read from its `#include`s, and the length of its files.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

namespace retort {
namespace {

namespace fs = std::filesystem;

using Folders = std::set<std::string>;

/// What files of a folder may include beside those of their own. Layers of a loss that are not here meet by the names
/// of their operators alone.
const std::map<std::string, Folders> kMayInclude = {
    {"tensor", {}},
    {"io", {"tensor"}},
    {"runtime", {"tensor"}},
    {"kernels/math", {"runtime"}},
    {"kernels/cpu", {"kernels/math", "tensor", "runtime"}},
    {"kernels/cuda", {"kernels/math", "tensor", "runtime"}},
    {"autograd", {"tensor", "runtime"}},
    {"convolution", {"tensor", "runtime", "io"}},
    {"memory", {"tensor", "runtime"}},
    {"distributed", {"tensor", "runtime"}},
    {"losses", {"memory", "models", "distributed", "tensor", "runtime", "io"}},
    {"models", {"convolution", "tensor", "runtime", "io"}},
    {"data", {"tensor", "runtime"}},
    {"train", {"losses", "models", "distributed", "tensor", "runtime", "io"}},
};

/// Public headers that are in no folder, by the folder of the source file that belongs to them.
const std::map<std::string, std::string> kFolderOfHeader = {
    {"convolution.h", "convolution"}, {"errors.h", "tensor"}, {"runtime.h", "runtime"}};

/// Marks every function that is exported, in any folder.
const std::string kExport = "export.h";
/// Includes all public headers.
const std::string kUmbrella = "retort.h";

constexpr size_t kMostLines = 300;
/// How the first line of a longer file begins.
const std::string kReason = "// Longer than most files: ";

/// The folder of a file of the library by its path below src/ or include/retort/; empty if it has none.
std::string folder_of(const std::string& path) {
  if (const auto known = kFolderOfHeader.find(path); known != kFolderOfHeader.end()) return known->second;
  for (const auto& [folder, others] : kMayInclude) {
    if (path.compare(0, folder.size() + 1, folder + "/") == 0) return folder;
  }
  return {};
}

/// The files of the library that a text includes, by their paths below src/ or include/retort/.
std::vector<std::string> included_by(const std::string& text) {
  static const std::regex kInclude("#include (?:\"([^\"]+)\"|<retort/([^>]+)>)");
  std::vector<std::string> paths;
  for (auto found = std::sregex_iterator(text.begin(), text.end(), kInclude); found != std::sregex_iterator();
       ++found) {
    paths.push_back((*found)[1].matched ? (*found)[1].str() : (*found)[2].str());
  }
  return paths;
}

/// What a file includes though its folder may not.
std::vector<std::string> forbidden(const std::string& path, const std::string& text) {
  const std::string own = folder_of(path);
  std::vector<std::string> found;
  for (const std::string& other : included_by(text)) {
    const std::string folder = folder_of(other);
    if (other != kExport && folder != own && kMayInclude.at(own).count(folder) == 0) found.push_back(other);
  }
  return found;
}

struct File {
  std::string path;
  std::string text;
};

/// The library's own files, sources and public headers.
std::vector<File> library() {
  std::vector<File> files;
  for (const fs::path& root :
       {fs::path(RETORT_SOURCE_DIR) / "src", fs::path(RETORT_SOURCE_DIR) / "include" / "retort"}) {
    for (const auto& entry : fs::recursive_directory_iterator(root)) {
      if (!entry.is_regular_file()) continue;
      std::ifstream in(entry.path());
      files.push_back(
          {fs::relative(entry.path(), root).string(),
           std::string(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>())});
    }
  }
  std::sort(files.begin(), files.end(), [](const File& one, const File& other) { return one.path < other.path; });
  return files;
}

TEST(ArchitectureTest, EveryFileIsInAFolder) {
  const std::vector<File> files = library();
  ASSERT_GT(files.size(), 150U);
  for (const File& file : files) {
    if (file.path != kExport && file.path != kUmbrella) {
      EXPECT_FALSE(folder_of(file.path).empty()) << file.path;
    }
  }
}

TEST(ArchitectureTest, IncludesFollowTheArrows) {
  for (const File& file : library()) {
    if (file.path == kExport || file.path == kUmbrella) continue;
    for (const std::string& other : forbidden(file.path, file.text)) {
      ADD_FAILURE() << file.path << " must not include " << other;
    }
  }
}

TEST(ArchitectureTest, ArrowsMakeNoCircle) {
  // Each round takes away the folders that depend on none of those that are left.
  std::map<std::string, Folders> left = kMayInclude;
  while (!left.empty()) {
    const auto free = std::find_if(left.begin(), left.end(), [&](const auto& one) {
      return std::none_of(
          one.second.begin(), one.second.end(), [&](const std::string& other) { return left.count(other) > 0; });
    });
    ASSERT_NE(free, left.end()) << left.size() << " folders depend on each other";
    left.erase(free);
  }
}

TEST(ArchitectureTest, LongFilesSayWhy) {
  for (const File& file : library()) {
    const auto lines = static_cast<size_t>(std::count(file.text.begin(), file.text.end(), '\n'));
    if (lines > kMostLines) {
      EXPECT_EQ(file.text.compare(0, kReason.size(), kReason), 0) << file.path << " has " << lines << " lines";
    }
  }
}

TEST(ArchitectureTest, NothingIsOfJava) {
  for (const File& file : library()) EXPECT_EQ(file.text.find("jni.h"), std::string::npos) << file.path;
}

TEST(ArchitectureTest, WhatIsForbiddenIsFound) {
  const auto error_of = [](const std::string& path, const std::string& text) {
    const std::vector<std::string> found = forbidden(path, text);
    return found.empty() ? std::string() : found.front();
  };
  EXPECT_EQ(error_of("losses/kd.cpp", "#include \"tensor/check.h\"\n#include <retort/losses/kd.h>\n"), "");
  EXPECT_EQ(error_of("losses/kd.cpp", "#include \"kernels/cpu/kd.simd.h\"\n"), "kernels/cpu/kd.simd.h");
  EXPECT_EQ(error_of("losses/kd.cpp", "#include <retort/train/stage.h>\n"), "train/stage.h");
  EXPECT_EQ(error_of("kernels/cpu/kd.cpp", "#include \"kernels/cuda/kd.h\"\n"), "kernels/cuda/kd.h");
  EXPECT_EQ(error_of("train/step.cpp", "#include \"kernels/math/kd.h\"\n"), "kernels/math/kd.h");
  EXPECT_EQ(error_of("tensor/check.h", "#include <retort/errors.h>\n#include <vector>\n"), "");
  EXPECT_EQ(error_of("tensor/check.h", "#include <retort/runtime.h>\n"), "runtime.h");
  EXPECT_EQ(error_of("models/network.cpp", "#include \"nowhere/file.h\"\n"), "nowhere/file.h");
}

}  // namespace
}  // namespace retort
