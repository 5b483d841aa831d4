#include <ATen/Functions.h>
#include <gtest/gtest.h>
#include <retort/losses/crd.h>
#include <retort/losses/fsp.h>
#include <retort/losses/nst.h>
#include <retort/losses/ofd.h>

#include <cmath>

#include "map_loss.h"
#include "nst_kernels.h"
#include "seeded_test.h"

namespace retort {
namespace {

/// Losses at the sizes of a ResNet-50's taps on ImageNet: what a small test can't show, such as sums over thousands of
/// channels and maps that do not fit into a cache.
class ImagenetTest : public test::SeededTest {
 protected:
  static constexpr int64_t kBatch = 2;

  /// As they come from a ReLU.
  static test::Maps maps(at::IntArrayRef channels) {
    test::Maps result;
    int64_t size = 56;
    for (int64_t count : channels) {
      result.push_back(at::relu(at::randn({kBatch, count, size, size})));
      size /= 2;
    }
    return result;
  }

  static test::Maps resnet50() { return maps({256, 512, 1024, 2048}); }

  /// Runs forward and backward pass to the student.
  static void expect_finite(const test::MapLoss& loss, const test::Maps& student, const test::Maps& teacher) {
    for (const at::Tensor& map : student) map.requires_grad_();
    const auto losses = loss(student, teacher);
    at::stack(losses).sum().backward();
    for (const at::Tensor& one : losses) {
      EXPECT_TRUE(std::isfinite(one.item<double>()));
      EXPECT_GT(one.item<double>(), 0);
    }
    for (const at::Tensor& map : student) {
      EXPECT_TRUE(map.grad().isfinite().all().item<bool>());
      EXPECT_GT(test::largest(map.grad()), 0);
    }
  }
};

TEST_F(ImagenetTest, Fsp) {
  const auto loss = [](const test::Maps& s, const test::Maps& t) { return fsp_loss(s, t); };
  expect_finite(loss, resnet50(), resnet50());
}

TEST_F(ImagenetTest, ChannelsLast) {
  const test::Maps student = resnet50();
  const test::Maps teacher = resnet50();
  const auto channels_last = [](test::Maps maps) {
    for (at::Tensor& map : maps) map = map.contiguous(at::MemoryFormat::ChannelsLast);
    return maps;
  };
  const auto check = [&](const test::MapLoss& loss) {
    EXPECT_TRUE(test::close(
        test::differentiate(loss, channels_last(student), channels_last(teacher)),
        test::differentiate(loss, student, teacher)));
  };
  check([](const test::Maps& s, const test::Maps& t) { return fsp_loss(s, t); });
  for (NstKernel kernel : test::kNstKernels) {
    SCOPED_TRACE(test::name_of(kernel));
    check([=](const test::Maps& s, const test::Maps& t) { return nst_loss(s, t, kernel); });
  }
}

TEST_F(ImagenetTest, Nst) {
  for (NstKernel kernel : test::kNstKernels) {
    SCOPED_TRACE(test::name_of(kernel));
    const auto loss = [=](const test::Maps& s, const test::Maps& t) { return nst_loss(s, t, kernel); };
    expect_finite(loss, resnet50(), resnet50());
    expect_finite(loss, maps({64, 128, 256, 512}), resnet50());
  }
}

TEST_F(ImagenetTest, Ofd) {
  for (OfdReduction reduction : {OfdReduction::kMean, OfdReduction::kSum}) {
    const auto loss = [=](const test::Maps& student, const test::Maps& teacher) {
      std::vector<at::Tensor> losses;
      for (size_t i = 0; i < student.size(); ++i) {
        const at::Tensor before_relu = teacher[i] - 0.5;
        losses.push_back(ofd_loss(student[i], before_relu, ofd_batch_margin(before_relu), reduction));
      }
      return losses;
    };
    expect_finite(loss, resnet50(), resnet50());
  }
}

TEST_F(ImagenetTest, Crd) {
  CrdOptions options;
  options.samples = 100000;
  const auto criterion = options.build({{{512}}, {{2048}}});
  CriterionInput input;
  input.student = {at::randn({kBatch, 512}).requires_grad_()};
  input.teacher = {at::randn({kBatch, 2048})};
  input.indices = at::tensor({0, 99999}, at::kLong);
  for (int step = 0; step < 2; ++step) {
    criterion->draw(input);
    const at::Tensor loss = criterion->forward(input);
    EXPECT_TRUE(std::isfinite(loss.item<double>()));
    loss.backward();
    criterion->after_step(input);
  }
  EXPECT_TRUE(input.student[0].grad().isfinite().all().item<bool>());
  EXPECT_GT(test::largest(input.student[0].grad()), 0);
}

}  // namespace
}  // namespace retort
