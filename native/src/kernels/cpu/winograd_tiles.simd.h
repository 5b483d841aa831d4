// Tiles of feature maps to Winograd's points and back.
#pragma once

#include "kernels/cpu/winograd_transforms.simd.h"
#include "kernels/math/smaller.h"

namespace retort::kernels::RETORT_ISA {
namespace {

/// The first `count` numbers, and zeros.
RETORT_INLINE Floats load_part(const float* values, int64_t count) {
  Floats result = {};
  for (int64_t i = 0; i < count; ++i) result[i] = values[i];
  return result;
}

inline void store_part(float* values, Floats vector, int64_t count) {
  float all[kLanes<float>];
  store<float>(all, vector);
  for (int64_t i = 0; i < count; ++i) values[i] = all[i];
}

/// Where a tile is.
struct Place {
  int64_t image;
  int64_t row;
  int64_t column;
};

inline Place place_of(const TiledMaps& maps, int64_t tile) {
  return {
      tile / (maps.tile_rows * maps.tile_columns), tile / maps.tile_columns % maps.tile_rows * kWinogradTile,
      tile % maps.tile_columns * kWinogradTile};
}

/// Transforms `size` x `size` positions of each tile, from `margin` before it on.
template <typename Transform, int margin>
void transform_tiles(
    const TiledMaps& maps, const float* values, Range tiles, Range channels, const float* zeros,
    const TransformedTiles& to) {
  constexpr int lanes = kLanes<float>;
  constexpr int size = Transform::kIn;
  float* row = to.values;
  for (int64_t tile = tiles.begin; tile < tiles.end; ++tile, row += to.row_stride) {
    const Place place = place_of(maps, tile);
    const float* at[size][size];
    for (int y = 0; y < size; ++y) {
      for (int x = 0; x < size; ++x) {
        const int64_t h = place.row + y - margin;
        const int64_t w = place.column + x - margin;
        const bool is_inside = h >= 0 && h < maps.height && w >= 0 && w < maps.width;
        at[y][x] = is_inside ? values + ((place.image * maps.height + h) * maps.width + w) * maps.channels : zeros;
      }
    }
    for (int64_t c = channels.begin; c < channels.end; c += lanes) {
      const auto put = [&](int y, int x, Floats transformed) {
        store<float>(row + (y * kWinogradPatch + x) * to.point_stride + c - channels.begin, transformed);
      };
      const int64_t count = channels.end - c;
      if (count >= lanes) {
        const auto get = [&](int y, int x) {
          // The next tile's.
          if (x >= size - kWinogradTile) __builtin_prefetch(at[y][x] + c + kWinogradTile * maps.channels);
          return load(at[y][x] + c);
        };
        transform_square<Transform>(get, put);
      } else {
        transform_square<Transform>([&](int y, int x) { return load_part(at[y][x] + c, count); }, put);
      }
    }
  }
}

void transform_products(
    const TransformedTiles& products, const TiledMaps& maps, Range tiles, Range channels,
    const WinogradEpilogue& epilogue, float* values) {
  constexpr int lanes = kLanes<float>;
  const float* row = products.values;
  for (int64_t tile = tiles.begin; tile < tiles.end; ++tile, row += products.row_stride) {
    const Place place = place_of(maps, tile);
    const int64_t height = maps.height - place.row;
    const int64_t width = maps.width - place.column;
    const int64_t first = ((place.image * maps.height + place.row) * maps.width + place.column) * maps.channels;
    for (int64_t c = channels.begin; c < channels.end; c += lanes) {
      const int64_t count = math::smaller(lanes, channels.end - c);
      const Floats scale = epilogue.scale ? load_part(epilogue.scale + c, count) : Floats{} + 1;
      const Floats shift = epilogue.shift ? load_part(epilogue.shift + c, count) : Floats{};
      const auto get = [&](int y, int x) {
        return load(row + (y * kWinogradPatch + x) * products.point_stride + c - channels.begin);
      };
      const auto put = [&](int y, int x, Floats result) {
        if (y >= height || x >= width) return;
        const int64_t offset = first + (y * maps.width + x) * maps.channels + c;
        result = result * scale + shift;
        if (epilogue.residual) {
          const float* residual = epilogue.residual + offset;
          result += count == lanes ? load(residual) : load_part(residual, count);
        }
        // NaN stays what it is.
        if (epilogue.relu) result = result < 0 ? Floats{} : result;
        if (count == lanes) {
          store<float>(values + offset, result);
        } else {
          store_part(values + offset, result, count);
        }
      };
      transform_square<OutputTransform>(get, put);
    }
  }
}

}  // namespace
}  // namespace retort::kernels::RETORT_ISA
