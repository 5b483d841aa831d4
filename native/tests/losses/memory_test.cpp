#include <ATen/Functions.h>
#include <gtest/gtest.h>
#include <retort/losses/crd.h>
#include <retort/losses/fsp.h>
#include <retort/losses/nst.h>
#include <retort/losses/ofd.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "nst_kernels.h"
#include "peak_memory.h"
#include "seeded_test.h"

namespace retort {
namespace {

constexpr int64_t kMebibyte = 1 << 20;
/// For what the allocator rounds up and what the first use of an operator sets up.
constexpr int64_t kSlack = 4 * kMebibyte;

/// What a loss needs beside its inputs, in forward and backward pass together.
class MemoryTest : public test::SeededTest {
 protected:
  /// Requires `action` to stay below `bound`, which the form that broadcasts would exceed five times.
  static void expect_peak_below(int64_t bound, int64_t broadcast, const std::function<void()>& action) {
    ASSERT_GE(broadcast, 5 * bound) << "the bound proves nothing";
    const std::optional<int64_t> peak = test::peak_memory(action);
    if (!peak) GTEST_SKIP() << "/proc/self/clear_refs can't be written, so the peak can't be measured";
    EXPECT_LE(*peak, bound);
    RecordProperty("peak", std::to_string(*peak));
    RecordProperty("bound", std::to_string(bound));
  }

  /// The taps of a ResNet-32x4 or ResNet-8x4 on CIFAR, the last `count` of four.
  static std::vector<at::Tensor> maps(
      int64_t batch, size_t count, bool trained, at::MemoryFormat format = at::MemoryFormat::Contiguous) {
    const std::vector<std::vector<int64_t>> shapes = {{32, 32, 32}, {64, 32, 32}, {128, 16, 16}, {256, 8, 8}};
    std::vector<at::Tensor> result;
    for (auto shape = shapes.end() - static_cast<std::ptrdiff_t>(count); shape != shapes.end(); ++shape) {
      const at::Tensor map = at::randn({batch, shape->at(0), shape->at(1), shape->at(2)});
      result.push_back(map.contiguous(format).requires_grad_(trained));
    }
    return result;
  }

  static int64_t bytes(const std::vector<at::Tensor>& tensors) {
    int64_t sum = 0;
    for (const at::Tensor& tensor : tensors) sum += static_cast<int64_t>(tensor.nbytes());
    return sum;
  }
};

constexpr int64_t kBatch = 16;
constexpr int64_t kFloatBytes = 4;

TEST_F(MemoryTest, PeakIsSeen) {
  at::ones({kMebibyte});  // sets LibTorch up
  const std::optional<int64_t> peak = test::peak_memory([] { at::ones({64 * kMebibyte / kFloatBytes}); });
  if (!peak) GTEST_SKIP() << "/proc/self/clear_refs can't be written, so the peak can't be measured";
  EXPECT_GE(*peak, 63 * kMebibyte);
  EXPECT_LE(*peak, 66 * kMebibyte);
  // Freed again before, it must not hide what comes next.
  EXPECT_GE(*test::peak_memory([] { at::ones({64 * kMebibyte / kFloatBytes}); }), 63 * kMebibyte);
  EXPECT_LE(*test::peak_memory([] {}), kMebibyte);
}

TEST_F(MemoryTest, Fsp) {
  const auto run = [](const std::vector<at::Tensor>& student, const std::vector<at::Tensor>& teacher) {
    torch::autograd::grad({at::stack(fsp_loss(student, teacher)).sum()}, student);
  };
  run(maps(1, 4, true), maps(1, 4, false));
  for (at::MemoryFormat format : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
    const std::vector<at::Tensor> student = maps(kBatch, 4, true, format);
    const std::vector<at::Tensor> teacher = maps(kBatch, 4, false, format);
    int64_t gradients = 0;
    int64_t scratch = 0;
    int64_t broadcast = 0;
    for (size_t i = 0; i + 1 < student.size(); ++i) {
      const at::Tensor& first = student[i];
      const at::Tensor& second = student[i + 1];
      const int64_t positions = std::min(first.size(2) * first.size(3), second.size(2) * second.size(3));
      gradients += bytes({first, second});
      // Of one thread and one sample: the FSP matrices; both maps of both networks and a gradient, if they are pooled.
      const int64_t matrix = first.size(1) * second.size(1);
      const int64_t pooled = 3 * (first.size(1) + second.size(1)) * positions;
      scratch = std::max(scratch, kFloatBytes * (2 * matrix + pooled));
      broadcast += kFloatBytes * kBatch * matrix * positions;
    }
    // A gradient for each map of each pair, kept by the forward pass and scaled by the backward pass.
    expect_peak_below(2 * gradients + scratch + kSlack, broadcast, [&] { run(student, teacher); });
  }
}

class NstMemoryTest : public MemoryTest, public ::testing::WithParamInterface<NstKernel> {};

TEST_P(NstMemoryTest, Nst) {
  const auto run = [](const std::vector<at::Tensor>& student, const std::vector<at::Tensor>& teacher) {
    torch::autograd::grad({at::stack(nst_loss(student, teacher, GetParam())).sum()}, student);
  };
  run(maps(1, 3, true), maps(1, 3, false));
  for (at::MemoryFormat format : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
    const std::vector<at::Tensor> student = maps(kBatch, 3, true, format);
    const std::vector<at::Tensor> teacher = maps(kBatch, 3, false, format);
    int64_t scratch = 0;
    int64_t broadcast = 0;
    for (const at::Tensor& map : student) {
      const int64_t channels = map.size(1);
      const int64_t positions = map.size(2) * map.size(3);
      // Of one thread and one sample: the unit vectors of both maps and the gradient to the student's; a block of the
      // matrix of all channels, or the matrix of positions if there are fewer of them.
      const int64_t vectors = 3 * channels * positions;
      const int64_t matrix = std::max<int64_t>(1 << 17, std::min(positions, 2 * channels) * positions);
      scratch = std::max(scratch, kFloatBytes * (vectors + matrix));
      // For one of the three means.
      broadcast += kFloatBytes * kBatch * channels * channels * positions;
    }
    expect_peak_below(2 * bytes(student) + scratch + kSlack, broadcast, [&] { run(student, teacher); });
  }
}

std::string name_of_kernel(const ::testing::TestParamInfo<NstKernel>& info) {
  return test::name_of(info.param);
}

INSTANTIATE_TEST_SUITE_P(Kernels, NstMemoryTest, ::testing::ValuesIn(test::kNstKernels), name_of_kernel);

TEST_F(MemoryTest, Crd) {
  constexpr int64_t kRows = 50000;
  constexpr int64_t kNegatives = 16384;
  constexpr int64_t kDimension = 128;
  const at::Tensor student_memory = at::randn({kRows, kDimension});
  const at::Tensor teacher_memory = at::randn({kRows, kDimension});
  const auto run = [&](int64_t batch, int64_t negatives) {
    const at::Tensor student = at::randn({batch, kDimension}).requires_grad_();
    const at::Tensor teacher = at::randn({batch, kDimension}).requires_grad_();
    const at::Tensor contrast = crd_contrast(at::arange(batch, at::kLong), kRows, negatives);
    const at::Tensor loss = crd_loss(student, teacher, student_memory, teacher_memory, contrast, 1e5, 1e5, 0.07);
    torch::autograd::grad({loss}, {student, teacher});
  };
  run(1, 1);
  // Of the candidates only their rows' numbers exist.
  const int64_t numbers = kBatch * (kNegatives + 1) * static_cast<int64_t>(sizeof(int64_t));
  const int64_t broadcast = 2 * kFloatBytes * kBatch * (kNegatives + 1) * kDimension;
  expect_peak_below(numbers + kSlack, broadcast, [&] { run(kBatch, kNegatives); });
}

/// OFD has no form that broadcasts, but the published one writes masks, maxima and differences: its bound is exact.
TEST_F(MemoryTest, Ofd) {
  const auto run = [](const at::Tensor& student, const at::Tensor& teacher) {
    torch::autograd::grad({ofd_loss(student, teacher, ofd_batch_margin(teacher))}, {student});
  };
  run(maps(1, 3, true)[0], maps(1, 3, false)[0]);
  const at::Tensor student = maps(4 * kBatch, 3, true)[0];
  const at::Tensor teacher = maps(4 * kBatch, 3, false)[0];
  const std::optional<int64_t> peak = test::peak_memory([&] { run(student, teacher); });
  if (!peak) GTEST_SKIP() << "/proc/self/clear_refs can't be written, so the peak can't be measured";
  EXPECT_LE(*peak, bytes({student}) + kSlack);
}

}  // namespace
}  // namespace retort
