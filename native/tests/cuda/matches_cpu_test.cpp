// What a GPU computes against what the CPU computes, which the other tests hold to the naive reference.
#include <ATen/Functions.h>
#include <gtest/gtest.h>
#include <retort/losses/crd.h>
#include <retort/losses/fsp.h>
#include <retort/losses/kd.h>
#include <retort/losses/nst.h>
#include <retort/losses/ofd.h>
#include <retort/memory/contrast_memory.h>
#include <torch/csrc/autograd/autograd.h>

#include <functional>

#include "cuda_test.h"
#include "expect.h"

namespace retort {
namespace {

using Tensors = std::vector<at::Tensor>;
/// Losses of floating point inputs, whose gradients are compared, too, and constants, which lie on the same device.
using Loss = std::function<Tensors(const Tensors& inputs, const Tensors& constants)>;

const std::vector<at::ScalarType> kDtypes = {at::kDouble, at::kFloat, at::kHalf, at::kBFloat16};

Tensors to(const Tensors& tensors, at::Device device) {
  Tensors moved;
  for (const at::Tensor& tensor : tensors) moved.push_back(tensor.to(device));
  return moved;
}

/// The losses and then their gradients, on the CPU.
Tensors results_on(at::Device device, const Loss& loss, const Tensors& inputs, const Tensors& constants) {
  Tensors leaves;
  for (const at::Tensor& input : inputs) leaves.push_back(input.to(device).detach().requires_grad_());
  Tensors results = loss(leaves, to(constants, device));
  for (const at::Tensor& one : results) EXPECT_EQ(one.device().type(), device.type());
  const Tensors gradients = torch::autograd::grad({at::stack(results).sum()}, leaves);
  results.insert(results.end(), gradients.begin(), gradients.end());
  return to(results, at::kCPU);
}

class CudaMatchesCpu : public test::CudaTest {
 protected:
  static void expect_match(const Loss& loss, const Tensors& inputs, const Tensors& constants = {}) {
    const Tensors expected = results_on(at::kCPU, loss, inputs, constants);
    const Tensors actual = results_on(at::kCUDA, loss, inputs, constants);
    const Tensors again = results_on(at::kCUDA, loss, inputs, constants);
    ASSERT_EQ(actual.size(), expected.size());
    for (size_t i = 0; i < actual.size(); ++i) {
      EXPECT_TRUE(test::close(actual[i], expected[i])) << "result " << i;
      EXPECT_TRUE(test::same_bits(actual[i], again[i])) << "result " << i;
    }
  }

  /// Maps of one pair of layers of both networks.
  static void expect_match_of_maps(const Loss& loss) {
    for (at::ScalarType dtype : kDtypes) {
      for (at::MemoryFormat format : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
        const auto map = [&](at::IntArrayRef shape) { return at::randn(shape).to(dtype).contiguous(format); };
        SCOPED_TRACE(c10::str(dtype, " ", format));
        expect_match(loss, {map({4, 24, 8, 8}), map({4, 40, 4, 4}), map({4, 24, 8, 8}), map({4, 40, 4, 4})});
        expect_match(loss, {map({3, 7, 5, 3}), map({3, 17, 3, 7}), map({3, 7, 4, 5}), map({3, 17, 6, 2})});
        expect_match(loss, {map({2, 70, 9, 9}), map({2, 64, 9, 9}), map({2, 70, 9, 9}), map({2, 64, 9, 9})});
      }
    }
  }

  /// @param memory dtype of the memories
  static void expect_crd_matches(at::ScalarType dtype, at::ScalarType memory) {
    for (int64_t dimension : {3, 128, 130, 512, 1000}) {
      for (int64_t negatives : {1, 300, 5000}) {
        SCOPED_TRACE(c10::str(dtype, " and ", memory, ", ", dimension, ", ", negatives));
        const auto unit = [&](int64_t rows) {
          const at::Tensor tensor = at::randn({rows, dimension});
          return tensor / tensor.norm(2, {1}, /*keepdim=*/true);
        };
        const Tensors constants = {
            unit(600).to(memory), unit(600).to(memory), at::randint(600, {9, negatives + 1}, at::kLong)};
        expect_match(
            [](const Tensors& inputs, const Tensors& given) -> Tensors {
              return {crd_loss(inputs[0], inputs[1], given[0], given[1], given[2], 900, 1100, 0.07)};
            },
            {unit(9).to(dtype), unit(9).to(dtype)}, constants);
        const at::Tensor embeddings = unit(9).to(dtype);
        const Tensors moved = to(constants, at::kCUDA);
        EXPECT_TRUE(test::close(
            crd_z(embeddings.to(at::kCUDA), moved[0], moved[2], 0.07),
            crd_z(embeddings, constants[0], constants[2], 0.07),
            test::tolerance_of(dtype == at::kDouble ? at::kDouble : at::kFloat)));
      }
    }
  }
};

TEST_F(CudaMatchesCpu, Kd) {
  for (at::ScalarType dtype : kDtypes) {
    for (int64_t classes : {2, 10, 1000}) {
      for (KdTarget target : {KdTarget::kLogits, KdTarget::kProbabilities}) {
        SCOPED_TRACE(c10::str(dtype, " ", classes, " ", static_cast<int>(target)));
        const at::Tensor student = at::randn({33, classes}).mul(3).to(dtype);
        const at::Tensor teacher = at::randn({33, classes}).mul(3);
        const at::Tensor given = (target == KdTarget::kLogits ? teacher : teacher.softmax(1)).to(dtype);
        expect_match(
            [=](const Tensors& inputs, const Tensors&) -> Tensors {
              return {kd_loss(inputs[0], inputs[1], 4, {}, target)};
            },
            {student, given});
        expect_match(
            [=](const Tensors& inputs, const Tensors& constants) -> Tensors {
              return {kd_loss(inputs[0], inputs[1], 1, constants[0], target)};
            },
            {student, given}, {at::rand({33}).mul(at::arange(33).remainder(3))});
      }
    }
  }
}

TEST_F(CudaMatchesCpu, Fsp) {
  for (FspPooling pooling : {FspPooling::kAverage, FspPooling::kMax}) {
    for (FspReduction reduction : {FspReduction::kMean, FspReduction::kPaper, FspReduction::kTorchdistill}) {
      SCOPED_TRACE(c10::str(static_cast<int>(pooling), " ", static_cast<int>(reduction)));
      expect_match_of_maps([=](const Tensors& maps, const Tensors&) {
        return fsp_loss({maps[0], maps[1]}, {maps[2], maps[3]}, {}, pooling, reduction);
      });
    }
  }
}

TEST_F(CudaMatchesCpu, Nst) {
  for (NstKernel kernel : {NstKernel::kLinear, NstKernel::kPolynomial, NstKernel::kGaussian}) {
    for (bool teacher_term : {true, false}) {
      for (int64_t degree : {2, 3}) {
        SCOPED_TRACE(c10::str(static_cast<int>(kernel), " ", teacher_term, " ", degree));
        NstOptions options;
        options.kernel = kernel;
        options.teacher_term = teacher_term;
        options.degree = degree;
        options.offset = degree - 2;
        expect_match_of_maps([=](const Tensors& maps, const Tensors&) {
          return nst_loss({maps[0], maps[1]}, {maps[2], maps[3]}, options);
        });
      }
    }
  }
}

/// Their matrices take more memory than is used at once.
TEST_F(CudaMatchesCpu, NstOfManyChannels) {
  NstOptions options;
  options.kernel = NstKernel::kGaussian;
  const auto map = [] { return at::randn({8, 2048, 2, 3}); };
  expect_match(
      [=](const Tensors& maps, const Tensors&) { return nst_loss({maps[0]}, {maps[1]}, options); }, {map(), map()});
}

TEST_F(CudaMatchesCpu, Ofd) {
  for (OfdReduction reduction : {OfdReduction::kMean, OfdReduction::kSum, OfdReduction::kBatchMean}) {
    SCOPED_TRACE(static_cast<int>(reduction));
    expect_match_of_maps([=](const Tensors& maps, const Tensors&) {
      Tensors losses;
      for (size_t i : {0, 1}) {
        losses.push_back(ofd_loss(maps[i], maps[i + 2], ofd_batch_margin(maps[i + 2]), reduction));
      }
      return losses;
    });
  }
}

TEST_F(CudaMatchesCpu, Crd) {
  for (at::ScalarType dtype : kDtypes) expect_crd_matches(dtype, dtype == at::kDouble ? at::kDouble : at::kFloat);
}

TEST_F(CudaMatchesCpu, CrdWithMemoriesInBFloat16) {
  for (at::ScalarType dtype : {at::kFloat, at::kBFloat16}) expect_crd_matches(dtype, at::kBFloat16);
}

TEST_F(CudaMatchesCpu, CrdDrawsOtherRows) {
  const at::Tensor classes = at::arange(500).remainder(7);
  const at::Tensor indices = at::randint(500, {64}, at::kLong);
  for (int64_t negatives : {5, 400, 900}) {
    const auto generator = at::globalContext().defaultGenerator(at::kCUDA);
    const at::Tensor drawn = crd_contrast(indices.to(at::kCUDA), 500, negatives, generator).cpu();
    const at::Tensor own = indices.unsqueeze(1);
    EXPECT_TRUE(drawn.narrow(1, 0, 1).equal(own));
    const at::Tensor others = drawn.narrow(1, 1, negatives);
    EXPECT_TRUE((others != own).all().item<bool>());
    EXPECT_TRUE((others >= 0).logical_and(others < 500).all().item<bool>());

    const at::Tensor by_class =
        crd_class_contrast(indices.to(at::kCUDA), classes.to(at::kCUDA), negatives, true, generator).cpu();
    const at::Tensor class_of_each = classes.index_select(0, by_class.flatten()).view(by_class.sizes());
    const at::Tensor own_class = classes.index_select(0, indices).unsqueeze(1);
    EXPECT_TRUE(class_of_each.narrow(1, 0, 1).equal(own_class));
    EXPECT_TRUE((class_of_each.narrow(1, 1, negatives) != own_class).all().item<bool>());
  }
}

TEST_F(CudaMatchesCpu, ContrastMemory) {
  const auto update = [](at::Device device, at::ScalarType dtype) {
    at::manual_seed(1);
    ContrastMemory memory(50, 16, dtype);
    memory.to(device);
    const at::Tensor indices = at::randint(20, {64}, at::kLong);  // some twice
    memory.update(indices.to(device), at::randn({64, 16}).to(device), 0.5);
    return memory.embeddings().cpu();
  };
  for (at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    EXPECT_TRUE(test::close(update(at::kCUDA, dtype), update(at::kCPU, dtype))) << dtype;
  }
}

}  // namespace
}  // namespace retort
