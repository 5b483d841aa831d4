// Compiled once for each instruction set, into the namespace RETORT_ISA. Nothing here may use templates or inline
// functions with external linkage of others: the linker would keep a single one of the variants for all.
#include "data/augmentation/rows.simd.h"

#include <math.h>

namespace retort::augmentation::RETORT_ISA {
namespace {

/// As many sums as the widest vector has lanes, so that all instruction sets add up in the same order.
constexpr int kSums = 16;

float unit(float value) {
  return value < 0 ? 0 : value > 1 ? 1 : value;
}

float grey(float red, float green, float blue) {
  return red * 0.2989f + green * 0.587f + blue * 0.114f;
}

void pick(const float* from, const int32_t* columns, int64_t width, float* to) {
#pragma omp simd
  for (int64_t x = 0; x < width; ++x) {
    const int32_t column = columns[x];
    const float value = from[column < 0 ? 0 : column];
    to[x] = column < 0 ? 0 : value;
  }
}

void resample_down(const float* from, int64_t stride, const float* weights, int64_t taps, int64_t width, float* to) {
#pragma omp simd
  for (int64_t x = 0; x < width; ++x) to[x] = weights[0] * from[x];
  for (int64_t j = 1; j < taps; ++j) {
    const float weight = weights[j];
    const float* row = from + j * stride;
#pragma omp simd
    for (int64_t x = 0; x < width; ++x) to[x] += weight * row[x];
  }
}

void resample_across(
    const float* from, const int32_t* first, const float* weights, int64_t taps, int64_t width, float* to) {
#pragma omp simd
  for (int64_t x = 0; x < width; ++x) to[x] = weights[x] * from[first[x]];
  for (int64_t j = 1; j < taps; ++j) {
    const float* own = weights + j * width;
    const float* moved = from + j;
#pragma omp simd
    for (int64_t x = 0; x < width; ++x) to[x] += own[x] * moved[first[x]];
  }
}

void blend(float* row, int64_t width, float factor, float add) {
#pragma omp simd
  for (int64_t x = 0; x < width; ++x) row[x] = unit(row[x] * factor + add);
}

void saturate(const ColorRow& row, float factor, float rest) {
  float* red = row.red;
  float* green = row.green;
  float* blue = row.blue;
#pragma omp simd
  for (int64_t x = 0; x < row.width; ++x) {
    const float add = grey(red[x], green[x], blue[x]) * rest;
    red[x] = unit(red[x] * factor + add);
    green[x] = unit(green[x] * factor + add);
    blue[x] = unit(blue[x] * factor + add);
  }
}

/// From RGB to HSV (Smith, Color Gamut Transform Pairs, 1978), and back with another hue.
void shift_hue(const ColorRow& row, float shift) {
  float* reds = row.red;
  float* greens = row.green;
  float* blues = row.blue;
#pragma omp simd
  for (int64_t x = 0; x < row.width; ++x) {
    const float red = reds[x];
    const float green = greens[x];
    const float blue = blues[x];
    const float larger = red > green ? red : green;
    const float smaller = red < green ? red : green;
    const float value = larger > blue ? larger : blue;
    const float least = smaller < blue ? smaller : blue;

    const float range = value - least;
    const bool is_grey = value == least;
    const float saturation = range / (is_grey ? 1 : value);
    const float divisor = is_grey ? 1 : range;
    const float from_red = (value - red) / divisor;
    const float from_green = (value - green) / divisor;
    const float from_blue = (value - blue) / divisor;
    const float of_red = from_blue - from_green;
    const float of_green = from_red + 2 - from_blue;
    const float of_blue = from_green + 4 - from_red;
    const float sixths = value == red ? of_red : value == green ? of_green : of_blue;
    float hue = sixths * (1.0f / 6) + shift;
    hue -= floorf(hue);

    const float sector = floorf(hue * 6);
    const float place = hue * 6 - sector;
    const float rest = 1 - saturation;
    const float lowest = unit(rest * value);
    const float falling = unit((1 - saturation * place) * value);
    const float rising = unit((saturation * place + rest) * value);
    // The circle's six sectors; a hue that is rounded to 1 is in the first again.
    const bool in1 = sector == 1, in2 = sector == 2, in3 = sector == 3, in4 = sector == 4, in5 = sector == 5;
    reds[x] = in1 ? falling : in2 ? lowest : in3 ? lowest : in4 ? rising : value;
    greens[x] = in1 ? value : in2 ? value : in3 ? falling : in4 ? lowest : in5 ? lowest : rising;
    blues[x] = in1 ? lowest : in2 ? rising : in3 ? value : in4 ? value : in5 ? falling : lowest;
  }
}

/// The sum of value(x) over x < width.
template <typename Value>
double sum_of(int64_t width, const Value& value) {
  float sums[kSums] = {};
  int64_t x = 0;
  for (; x + kSums <= width; x += kSums) {
#pragma omp simd
    for (int i = 0; i < kSums; ++i) sums[i] += value(x + i);
  }
  for (int i = 0; x < width; ++x, ++i) sums[i] += value(x);
  double sum = 0;
  for (const float part : sums) sum += static_cast<double>(part);
  return sum;
}

double sum_of_grey(const ColorRow& row) {
  return sum_of(row.width, [row](int64_t x) { return grey(row.red[x], row.green[x], row.blue[x]); });
}

double sum(const float* row, int64_t width) {
  return sum_of(width, [row](int64_t x) { return row[x]; });
}

void normalize(float* row, int64_t width, float scale, float shift) {
#pragma omp simd
  for (int64_t x = 0; x < width; ++x) row[x] = row[x] * scale + shift;
}

}  // namespace

extern const RowKernels row_kernels = {&pick,        &resample_down, &resample_across, &blend, &saturate, &shift_hue,
                                       &sum_of_grey, &sum,           &normalize};

}  // namespace retort::augmentation::RETORT_ISA
