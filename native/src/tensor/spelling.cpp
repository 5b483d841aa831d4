#include "tensor/spelling.h"

#include <c10/util/StringUtil.h>

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <utility>

namespace retort {
namespace {

/// Levenshtein's.
size_t distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t changed = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({changed, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::string one_of(const std::vector<std::string>& known, const std::string& name) {
  const std::string text = c10::str("one of ", c10::Join(", ", known), " (got ", name);
  const auto nearest = std::min_element(
      known.begin(), known.end(), [&](const auto& a, const auto& b) { return distance(name, a) < distance(name, b); });
  const bool is_near = nearest != known.end() && 3 * distance(name, *nearest) <= std::max(name.size(), size_t{3});
  return is_near ? c10::str(text, ", did you mean ", *nearest, "?)") : text + ")";
}

std::vector<std::string> nearest(std::vector<std::string> known, const std::string& name, size_t count) {
  std::vector<std::pair<size_t, std::string>> ranked;
  for (std::string& one : known) ranked.emplace_back(distance(name, one), std::move(one));
  std::sort(ranked.begin(), ranked.end());
  ranked.resize(std::min(ranked.size(), count));
  std::vector<std::string> names;
  for (auto& one : ranked) names.push_back(std::move(one.second));
  return names;
}

}  // namespace retort
