#pragma once

#include <ATen/ops/from_blob.h>
#include <c10/util/Exception.h>
#include <c10/util/accumulate.h>
#include <retort/models/network.h>
#include <retort/train/training_step.h>

#include <cstdint>
#include <vector>

/// What the Java classes call instead of the C++ API itself, so that a step creates no Java object: direct buffers and
/// optional tensors in, plain numbers out.
namespace retort_jni {

/// Where StepResult.java finds a step's numbers.
enum StepValue : int { kTotal, kCrossEntropy, kCorrect, kLabeled, kLearningRate, kFirstTerm };

inline void write(const retort::StepResult& result, double* values) {
  values[kTotal] = result.total;
  values[kCrossEntropy] = result.cross_entropy;
  values[kCorrect] = static_cast<double>(result.correct);
  values[kLabeled] = static_cast<double>(result.labeled);
  values[kLearningRate] = result.learning_rate;
  for (size_t i = 0; i < result.terms.size(); ++i) values[kFirstTerm + i] = result.terms[i];
}

inline at::Tensor images_of(const float* data, int64_t batch, const std::vector<int64_t>& input_shape) {
  std::vector<int64_t> shape = {batch};
  shape.insert(shape.end(), input_shape.begin(), input_shape.end());
  return at::from_blob(const_cast<float*>(data), shape, at::TensorOptions(at::kFloat));
}

inline at::Tensor rows_of(const int64_t* data, at::IntArrayRef shape) {
  return data ? at::from_blob(const_cast<int64_t*>(data), shape, at::TensorOptions(at::kLong)) : at::Tensor();
}

/// A step on tensors; null for what a batch does not have.
inline void run(
    retort::TrainingStep& step, const at::Tensor* images, const at::Tensor* labels, const at::Tensor* indices,
    const at::Tensor* contrast, double* values) {
  const auto or_undefined = [](const at::Tensor* tensor) { return tensor ? *tensor : at::Tensor(); };
  retort::StepResult result;
  step.run({or_undefined(images), or_undefined(labels), or_undefined(indices), or_undefined(contrast)}, result);
  write(result, values);
}

/// A step on memory that the caller keeps alive and unchanged; null for what a batch does not have.
inline void run(
    retort::TrainingStep& step, const float* images, const int64_t* labels, const int64_t* indices,
    const int64_t* contrast, double* values, int64_t batch, int64_t contrast_width) {
  retort::StepResult result;
  step.run(
      {images_of(images, batch, step.input_shape()), rows_of(labels, {batch}), rows_of(indices, {batch}),
       rows_of(contrast, {batch, contrast_width})},
      result);
  write(result, values);
}

/// Images in memory of `elements` numbers, of the shape that the network was probed with. The shape is read once:
/// another thread may probe the network meanwhile.
inline at::Tensor images_for(const retort::Network& network, const float* data, int64_t elements) {
  const std::vector<int64_t> shape = network.input_shape();
  const int64_t size = c10::multiply_integers(shape);
  if (shape.empty() || elements % size != 0) {
    throw c10::ValueError("Network: images must be of the shape given to probe (got another size)", nullptr);
  }
  return images_of(data, elements / size, shape);
}

inline at::Tensor predict(retort::Network& network, const float* images, int64_t elements) {
  return network.predict(images_for(network, images, elements));
}

inline double accuracy(
    retort::Network& network, const float* images, const int64_t* labels, int64_t elements, int64_t batch) {
  return network.accuracy(images_for(network, images, elements), rows_of(labels, {batch}));
}

inline void convert(retort::Network& network, int8_t dtype) {
  network.convert(static_cast<at::ScalarType>(dtype));
}

}  // namespace retort_jni
