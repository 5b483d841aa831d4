#pragma once

#include <ATen/Functions.h>
#include <gtest/gtest.h>

#include <functional>
#include <ostream>
#include <string>

#include "expect.h"
#include "map_loss.h"
#include "name_of_loss.h"
#include "seeded_test.h"

/// What is asked of every loss of lists of feature maps, whose tests instantiate MapLossTest with it.
namespace retort::test {

constexpr at::MemoryFormat kMemoryFormats[] = {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast};

inline Maps in_format(at::MemoryFormat format, Maps maps) {
  for (at::Tensor& map : maps) map = map.contiguous(format);
  return maps;
}

struct MapLossCase {
  std::string name;
  /// As error messages call it.
  std::string function;
  MapLoss loss;
  /// Its specification.
  MapLoss reference;
  /// The loss with all that its gradient takes for constant held as it is at these maps; empty if that is nothing.
  std::function<MapLoss(const Maps& student, const Maps& teacher)> with_constants_at;
};

inline void PrintTo(const MapLossCase& tested, std::ostream* out) {
  *out << tested.name;
}

class MapLossTest : public SeededTest, public ::testing::WithParamInterface<MapLossCase> {
 protected:
  static at::Tensor map(at::IntArrayRef shape, at::ScalarType dtype = at::kDouble) {
    return at::randn(shape, at::kDouble).to(dtype);
  }

  /// Three maps whose sizes differ among themselves and from the teacher's, higher in one and wider in another.
  static Maps student_maps(at::ScalarType dtype = at::kDouble, int64_t batch = 4) {
    return {map({batch, 3, 4, 5}, dtype), map({batch, 5, 2, 3}, dtype), map({batch, 2, 3, 2}, dtype)};
  }
  static Maps teacher_maps(at::ScalarType dtype = at::kDouble, int64_t batch = 4) {
    return {map({batch, 3, 5, 3}, dtype), map({batch, 5, 3, 3}, dtype), map({batch, 2, 3, 2}, dtype)};
  }

  static const MapLoss& loss() { return GetParam().loss; }
  static const MapLoss& reference() { return GetParam().reference; }
  static std::string message(const std::string& text) { return GetParam().function + ": " + text; }
  static std::string error(const Maps& student, const Maps& teacher) {
    return error_of([&] { loss()(student, teacher); });
  }

  static at::Tensor total(const MapLoss& loss, const Maps& student, const Maps& teacher) {
    return at::stack(loss(student, teacher)).sum();
  }

  static Maps contiguous(const Maps& maps) {
    Maps copies;
    for (const at::Tensor& map : maps) copies.push_back(map.resolve_neg().clone(at::MemoryFormat::Contiguous));
    return copies;
  }
};

}  // namespace retort::test
