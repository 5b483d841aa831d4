#include "data/augmentation/resample.h"

#include <algorithm>
#include <cmath>

#include "data/augmentation/rows.simd.h"

namespace retort::augmentation {

void Taps::start(int64_t from, int64_t to) {
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  const double support = std::max(1.0, scale);
  most = static_cast<int64_t>(std::ceil(support)) * 2 + 1;
  first.resize(static_cast<size_t>(to));
  count.resize(static_cast<size_t>(to));
  weights.assign(static_cast<size_t>(to * most), 0);
  for (int64_t i = 0; i < to; ++i) {
    const double centre = scale * (static_cast<double>(i) + 0.5);
    const auto begin = std::max<int64_t>(0, static_cast<int64_t>(centre - support + 0.5));
    const auto end = std::min<int64_t>(from, static_cast<int64_t>(centre + support + 0.5));
    const auto weight = [&](int64_t place) {
      return std::max(0.0, 1 - std::abs(static_cast<double>(place) + 0.5 - centre) / support);
    };
    double sum = 0;
    for (int64_t place = begin; place < end; ++place) sum += weight(place);
    float* own = weights.data() + i * most;
    for (int64_t place = begin; place < end; ++place) own[place - begin] = static_cast<float>(weight(place) / sum);
    first[static_cast<size_t>(i)] = static_cast<int32_t>(begin);
    count[static_cast<size_t>(i)] = static_cast<int32_t>(end - begin);
  }
}

void Resampler::start(const Window& window, bool mirrored, Size image, Size output) {
  window_ = window;
  image_ = image;
  output_ = output;
  down_.start(window.size.height, output.height);
  across_.start(window.size.width, output.width);
  const int64_t width = output.width;
  first_.resize(static_cast<size_t>(width));
  weights_.resize(static_cast<size_t>(across_.most * width));
  for (int64_t x = 0; x < width; ++x) {
    const int64_t own = mirrored ? width - 1 - x : x;
    first_[static_cast<size_t>(x)] = across_.first[static_cast<size_t>(own)];
    for (int64_t j = 0; j < across_.most; ++j) {
      weights_[static_cast<size_t>(j * width + x)] = across_.weights[static_cast<size_t>(own * across_.most + j)];
    }
  }
  row_.assign(static_cast<size_t>(window.size.width + across_.most), 0);
}

void Resampler::read(const float* plane, int64_t y, float* to) {
  const auto own = static_cast<size_t>(y);
  const float* from = plane + (window_.top + down_.first[own]) * image_.width + window_.left;
  row_kernels().resample_down(
      from, image_.width, down_.weights.data() + y * down_.most, down_.count[own], window_.size.width, row_.data());
  row_kernels().resample_across(row_.data(), first_.data(), weights_.data(), across_.most, output_.width, to);
}

}  // namespace retort::augmentation
