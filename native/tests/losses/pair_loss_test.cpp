#include "pair_loss_test.h"

#include <ATen/Functions.h>
#include <c10/core/InferenceMode.h>
#include <retort/runtime.h>
#include <torch/csrc/autograd/autograd.h>

#include <string>
#include <utility>

#include "finite_difference.h"

namespace retort::test {

TEST_P(PairLossTest, GradMatchesFiniteDifference) {
  const Pair pair = PairLossTest::pair();
  const auto actual = differentiate(loss(), pair);
  const auto by_student = [&](const at::Tensor& student) { return loss()({student, pair.teacher, pair.constants}); };
  const auto by_teacher = [&](const at::Tensor& teacher) { return loss()({pair.student, teacher, pair.constants}); };
  EXPECT_TRUE(close(actual.student, finite_difference(by_student, pair.student), 1e-7));
  EXPECT_TRUE(close(actual.teacher, finite_difference(by_teacher, pair.teacher), 1e-7));
}

TEST_P(PairLossTest, NonContiguousInput) {
  const Pair plain = pair();
  const std::vector<std::pair<std::string, std::function<at::Tensor(const at::Tensor&)>>> layouts = {
      {"samples innermost", [](const at::Tensor& tensor) { return tensor.movedim(0, -1).contiguous().movedim(-1, 0); }},
      {"gaps between samples",
       [](const at::Tensor& tensor) {
         return at::stack({tensor, tensor}, 1).select(1, 1);
       }},
      {"every second element",
       [](const at::Tensor& tensor) {
         return at::stack({tensor, tensor}, -1).select(-1, 0);
       }},
      {"part of a wider tensor",
       [](const at::Tensor& tensor) {
         return at::cat({tensor, tensor}, -1).slice(-1, 0, tensor.size(-1));
       }},
      {"expanded samples", [](const at::Tensor& tensor) { return tensor.slice(0, 0, 1).expand(tensor.sizes()); }},
  };
  for (const auto& [name, layout] : layouts) {
    SCOPED_TRACE(name);
    const Pair laid_out = changed(plain, layout);
    ASSERT_FALSE(laid_out.student.is_contiguous() || laid_out.teacher.is_contiguous());
    for (const Pair& pair :
         {laid_out, Pair{laid_out.student, plain.teacher, plain.constants},
          Pair{plain.student, laid_out.teacher, plain.constants},
          Pair{plain.student, plain.teacher, laid_out.constants}}) {
      const Pair copied = changed(pair, [](const at::Tensor& tensor) { return tensor.contiguous(); });
      EXPECT_TRUE(same_bits(differentiate(loss(), pair), differentiate(loss(), copied)));
    }
  }
}

TEST_P(PairLossTest, HalfPrecision) {
  for (at::ScalarType dtype : {at::kHalf, at::kBFloat16}) {
    SCOPED_TRACE(c10::toString(dtype));
    const Pair pair = PairLossTest::pair(dtype);
    const auto actual = differentiate(loss(), pair);
    EXPECT_EQ(actual.loss.scalar_type(), at::kFloat);
    EXPECT_EQ(actual.student.scalar_type(), dtype);
    EXPECT_EQ(actual.teacher.scalar_type(), dtype);
    EXPECT_TRUE(close(actual, expected_of(pair)));
  }
}

TEST_P(PairLossTest, TeacherAndConstantsGetNoGradient) {
  Pair pair = PairLossTest::pair();
  pair.student.requires_grad_();
  for (at::Tensor& constant : pair.constants) constant.requires_grad_(constant.is_floating_point());
  loss()(pair).backward();
  EXPECT_TRUE(pair.student.grad().defined());
  EXPECT_FALSE(pair.teacher.grad().defined());
  for (const at::Tensor& constant : pair.constants) EXPECT_FALSE(constant.grad().defined());
  pair.student = pair.student.detach();
  EXPECT_FALSE(loss()(pair).requires_grad());
}

TEST_P(PairLossTest, OnlyTeacherRequiresGradient) {
  const Pair pair = PairLossTest::pair();
  pair.teacher.requires_grad_();
  loss()(pair).backward();
  EXPECT_FALSE(pair.student.grad().defined());
  EXPECT_TRUE(close(pair.teacher.grad(), expected_of(pair).teacher));
}

TEST_P(PairLossTest, ValueOnlyWhereNoGradientIsAskedFor) {
  const Pair pair = PairLossTest::pair();
  const Pair trained{pair.student.clone().requires_grad_(), pair.teacher, pair.constants};
  const at::Tensor expected = loss()(trained);
  EXPECT_TRUE(expected.requires_grad());

  const at::Tensor constant = loss()(pair);
  EXPECT_FALSE(constant.requires_grad());
  EXPECT_TRUE(same_bits(constant, expected));
  {
    const at::NoGradGuard no_grad;
    const at::Tensor value = loss()(trained);
    EXPECT_FALSE(value.requires_grad());
    EXPECT_TRUE(same_bits(value, expected));
  }
  {
    const c10::InferenceMode inference;
    const at::Tensor value = loss()(trained);
    EXPECT_TRUE(value.is_inference());
    EXPECT_TRUE(same_bits(value, expected));
  }
}

TEST_P(PairLossTest, TeacherAndConstantsFromInferenceMode) {
  const Pair pair = PairLossTest::pair();
  Pair inferred;
  {
    const c10::InferenceMode inference;
    inferred = changed(pair, [](const at::Tensor& tensor) { return tensor.clone(); });
  }
  inferred.student = pair.student;
  EXPECT_TRUE(inferred.teacher.is_inference());
  EXPECT_TRUE(same_bits(student_gradient(loss(), inferred), student_gradient(loss(), pair)));
}

TEST_P(PairLossTest, RetainGraph) {
  const Pair pair = PairLossTest::pair();
  pair.student.requires_grad_();
  expect_graph_is_retained(loss()(pair), {pair.student});
}

TEST_P(PairLossTest, DoubleBackwardIsRefused) {
  const Pair pair = PairLossTest::pair();
  pair.student.requires_grad_();
  pair.teacher.requires_grad_();
  expect_double_backward_is_refused(
      loss()(pair), {pair.student, pair.teacher}, message("the gradient must not be differentiated again"));
}

TEST_P(PairLossTest, PartOfALargerGraph) {
  const Pair pair = PairLossTest::pair();
  const int64_t batch = pair.student.size(0);
  const at::Tensor images = at::randn({batch, 4}, at::kDouble);
  const at::Tensor weight = at::randn({4, pair.student.numel() / batch}, at::kDouble).requires_grad_();
  const auto gradient = [&](const PairLoss& loss) {
    const at::Tensor student = images.matmul(weight).view_as(pair.student);
    const at::Tensor total = 0.3 * loss({student, pair.teacher, pair.constants}) +
                             0.1 * loss({student.sin(), pair.teacher, pair.constants}) + student.square().mean();
    return torch::autograd::grad({total}, {weight})[0];
  };
  EXPECT_TRUE(close(gradient(loss()), gradient(reference())));
}

TEST_P(PairLossTest, NumberOfThreadsChangesNothing) {
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    const Pair pair = GetParam().much(dtype);
    set_threads(1);
    const auto one = differentiate(loss(), pair);
    for (int threads : {2, 3, 16}) {
      set_threads(threads);
      EXPECT_TRUE(same_bits(differentiate(loss(), pair), one));
    }
  }
}

TEST_P(PairLossTest, GoodInputIsNotRejected) {
  EXPECT_EQ(error_after([](Pair&) {}), "nothing was thrown");
}

TEST_P(PairLossTest, RejectsUndefinedTensors) {
  const std::string rule = " must be defined (got an undefined tensor)";
  EXPECT_EQ(error_after([](Pair& pair) { pair.student = at::Tensor(); }), message("student" + rule));
  EXPECT_EQ(error_after([](Pair& pair) { pair.teacher = at::Tensor(); }), message("teacher" + rule));
  EXPECT_EQ(error_after([](Pair& pair) { pair.student = pair.teacher = at::Tensor(); }), message("student" + rule));
}

TEST_P(PairLossTest, RejectsOtherDtypes) {
  EXPECT_EQ(
      error_after([](Pair& pair) { pair.student = pair.student.to(at::kLong); }),
      message("student must be floating point (got Long)"));
  EXPECT_EQ(
      error_after([](Pair& pair) { pair.teacher = pair.teacher.to(at::kInt); }),
      message("teacher must be floating point (got Int)"));
  EXPECT_EQ(
      error_after([](Pair& pair) { pair.student = pair.student.to(at::kFloat); }),
      message("student and teacher must have the same dtype (got Float and Double)"));
  EXPECT_EQ(
      error_after([](Pair& pair) { pair.teacher = pair.teacher.to(at::kFloat); }),
      message("student and teacher must have the same dtype (got Double and Float)"));
}

TEST_P(PairLossTest, RejectsSparseTensors) {
  EXPECT_EQ(
      error_after([](Pair& pair) { pair.student = pair.student.to_sparse(); }),
      message("student must be dense (got Sparse)"));
  EXPECT_EQ(
      error_after([](Pair& pair) { pair.teacher = pair.teacher.to_sparse(); }),
      message("teacher must be dense (got Sparse)"));
}

TEST_P(PairLossTest, RejectsEmptyTensors) {
  for (int64_t dimension = 0; dimension < pair().student.dim(); ++dimension) {
    const at::Tensor empty = pair().student.slice(dimension, 0, 0);
    EXPECT_EQ(
        error_after([&](Pair& pair) { pair.student = pair.teacher = empty; }),
        message(c10::str("student must not be empty (got ", empty.sizes(), ")")));
  }
}

TEST_P(PairLossTest, RejectsOtherShapes) {
  const at::Tensor good = pair().student;
  for (const at::Tensor& other : {good[0], good.unsqueeze(-1)}) {
    EXPECT_EQ(
        error_after([&](Pair& pair) { pair.student = pair.teacher = other; }),
        message(c10::str("student must be of shape ", GetParam().shape, " (got ", other.sizes(), ")")));
  }
  for (const at::Tensor& other : {good.slice(0, 1), good.slice(1, 1)}) {
    EXPECT_EQ(
        error_after([&](Pair& pair) { pair.teacher = other; }),
        message(c10::str(
            "student and teacher must have the same ", GetParam().agreement, " (got ", good.sizes(), " and ",
            other.sizes(), ")")));
  }
}

TEST_P(PairLossTest, RejectsAnotherDevice) {
  EXPECT_EQ(
      error_after([](Pair& pair) { pair.teacher = pair.teacher.to(at::kMeta); }),
      message("student and teacher must be on the same device (got cpu and meta)"));
}

}  // namespace retort::test
