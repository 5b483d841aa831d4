#pragma once

#include <ATen/ops/from_blob.h>
#include <c10/util/accumulate.h>
#include <retort/data/augmentation.h>
#include <retort/errors.h>
#include <retort/models/network.h>
#include <retort/models/predictor.h>
#include <retort/train/training_step.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

/// What the Java classes call instead of the C++ API itself, so that a step creates no Java object: memory and optional
/// tensors in, plain numbers out.
namespace retort_jni {

/// Where StepResult.java finds a step's numbers.
enum StepValue : int {
  kTotal,
  kCrossEntropy,
  kCorrect,
  kLabeled,
  kSamples,
  kGradientNorm,
  kLearningRate,
  kUpdated,
  kSkipped,
  kGraph,
  kStage,
  kStudentChannelsLast,
  kTeacherChannelsLast,
  kNanoseconds,
  kTerms,
  kFirstTerm
};

/// An array of Java's in every overload, where `double*` would be a buffer in one for buffers.
using StepNumber = double;

inline void write(StepNumber* values, const retort::StepResult& result) {
  values[kTotal] = result.total;
  values[kCrossEntropy] = result.cross_entropy;
  values[kCorrect] = static_cast<double>(result.correct);
  values[kLabeled] = static_cast<double>(result.labeled);
  values[kSamples] = static_cast<double>(result.samples);
  values[kGradientNorm] = result.gradient_norm;
  values[kLearningRate] = result.learning_rate;
  values[kUpdated] = result.updated;
  values[kSkipped] = result.skipped;
  values[kGraph] = result.graph;
  values[kStage] = static_cast<double>(result.stage);
  values[kStudentChannelsLast] = result.student_format == retort::MemoryFormat::kChannelsLast;
  values[kTeacherChannelsLast] = result.teacher_format == retort::MemoryFormat::kChannelsLast;
  values[kNanoseconds] = static_cast<double>(result.nanoseconds);
  values[kTerms] = static_cast<double>(result.terms.size());
  std::copy(result.terms.begin(), result.terms.end(), values + kFirstTerm);
}

inline void step_into(StepNumber* values, retort::TrainingStep& step, const retort::Batch& batch) {
  retort::StepResult result;
  step.run(batch, result);
  write(values, result);
}

inline bool finish(retort::TrainingStep& step, StepNumber* values) {
  retort::StepResult result;
  const bool is_new = step.finish(result);
  if (is_new) write(values, result);
  return is_new;
}

inline at::Tensor tensor_of(const void* data, at::IntArrayRef shape, at::ScalarType dtype) {
  return data ? at::from_blob(const_cast<void*>(data), shape, at::TensorOptions(dtype)) : at::Tensor();
}

inline at::Tensor images_of(const void* data, int64_t batch, std::vector<int64_t> shape, at::ScalarType dtype) {
  shape.insert(shape.begin(), batch);
  return tensor_of(data, shape, dtype);
}

inline void step_on_memory(
    retort::TrainingStep& step, const void* images, at::ScalarType dtype, bool channels_last, const int64_t* labels,
    const int64_t* indices, const int64_t* contrast, StepNumber* values, int64_t batch, int64_t contrast_width) {
  std::vector<int64_t> shape = step.input_shape();
  if (channels_last) std::rotate(shape.begin(), shape.begin() + 1, shape.end());
  const auto rows = [](const int64_t* data, at::IntArrayRef sizes) { return tensor_of(data, sizes, at::kLong); };
  step_into(
      values, step,
      {images_of(images, batch, std::move(shape), dtype), rows(labels, {batch}), rows(indices, {batch}),
       rows(contrast, {batch, contrast_width})});
}

/// A step on memory that the caller keeps alive and unchanged; null for what a batch does not have.
inline void run(
    retort::TrainingStep& step, const float* images, const int64_t* labels, const int64_t* indices,
    const int64_t* contrast, StepNumber* values, int64_t batch, int64_t contrast_width, bool channels_last) {
  step_on_memory(step, images, at::kFloat, channels_last, labels, indices, contrast, values, batch, contrast_width);
}

/// The same on bytes.
inline void run(
    retort::TrainingStep& step, const uint8_t* images, const int64_t* labels, const int64_t* indices,
    const int64_t* contrast, StepNumber* values, int64_t batch, int64_t contrast_width, bool channels_last) {
  step_on_memory(step, images, at::kByte, channels_last, labels, indices, contrast, values, batch, contrast_width);
}

/// A step on tensors; null for what a batch does not have.
inline void run(
    retort::TrainingStep& step, const at::Tensor* images, const at::Tensor* labels, const at::Tensor* indices,
    const at::Tensor* contrast, const at::Tensor* weights, const at::Tensor* teacher_logits,
    const std::vector<at::Tensor>& teacher_features, StepNumber* values) {
  const auto given = [](const at::Tensor* tensor) { return tensor ? *tensor : at::Tensor(); };
  step_into(
      values, step,
      {given(images), given(labels), given(indices), given(contrast), given(weights), given(teacher_logits),
       teacher_features});
}

/// The note that a checkpoint comes with, in bytes: a String of JavaCPP's ends at a zero and is in the platform's
/// charset.
using Note = std::string;

inline void save(retort::TrainingStep& step, const std::string& path, const int8_t* note, int64_t size) {
  step.save(path, Note(reinterpret_cast<const char*>(note), static_cast<size_t>(size)));
}

inline retort::StepCheckpoint checkpoint(retort::TrainingStep& step, const int8_t* note, int64_t size) {
  return step.checkpoint(Note(reinterpret_cast<const char*>(note), static_cast<size_t>(size)));
}

inline Note load(retort::TrainingStep& step, const std::string& path) {
  return step.load(path);
}

/// The number of elements of an image, 0 before the network was probed.
inline int64_t sample_size(const retort::Network& network) {
  const std::vector<int64_t> shape = network.input_shape();
  return shape.empty() ? 0 : c10::multiply_integers(shape);
}

/// Images in memory of `elements` numbers, of the shape that the network was probed with. The shape is read once:
/// another thread may probe the network meanwhile.
inline at::Tensor images_for(
    const retort::Network& network, bool channels_last, const void* data, int64_t elements, at::ScalarType dtype) {
  std::vector<int64_t> shape = network.input_shape();
  const int64_t size = c10::multiply_integers(shape);
  if (shape.empty() || elements % size != 0) {
    throw retort::ShapeError("Network: images must be of the shape given to probe (got another size)", nullptr);
  }
  if (channels_last) std::rotate(shape.begin(), shape.begin() + 1, shape.end());
  return images_of(data, elements / size, std::move(shape), dtype);
}

inline at::Tensor images_for(const retort::Network& network, const float* data, int64_t elements) {
  return images_for(network, network.preprocessing().channels_last, data, elements, at::kFloat);
}

inline at::Tensor predict(retort::Network& network, const float* images, int64_t elements) {
  return network.predict(images_for(network, images, elements));
}

/// Copies predictions into memory of `size` numbers, which Java has measured by the classes it knows.
inline void copy_into(float* numbers, int64_t size, const at::Tensor& predicted) {
  if (predicted.scalar_type() != at::kFloat || predicted.numel() != size) {
    throw retort::ShapeError(
        c10::str(
            "Network.predict: logits must be ", size, " numbers of float32 (got ", predicted.numel(), " of ",
            predicted.scalar_type(), ")"),
        nullptr);
  }
  at::from_blob(numbers, predicted.sizes()).copy_(predicted);
}

inline void predict(retort::Network& network, const float* images, float* logits, int64_t elements, int64_t size) {
  copy_into(logits, size, network.predict(images_for(network, images, elements)));
}

inline void predict_on_memory(
    const retort::Predictor& predictor, const void* images, at::ScalarType dtype, float* numbers, int64_t elements,
    int64_t size, bool as_probabilities) {
  const at::Tensor given =
      images_for(*predictor.network(), predictor.preprocessing().channels_last, images, elements, dtype);
  copy_into(numbers, size, as_probabilities ? predictor.probabilities(given) : predictor.logits(given));
}

/// The number of elements of an image, 0 before the network was probed.
inline int64_t sample_size(const retort::Predictor& predictor) {
  return sample_size(*predictor.network());
}

inline int64_t classes(const retort::Predictor& predictor) {
  return predictor.network()->classes();
}

/// Predicts logits or probabilities for images in memory.
inline void predict(
    const retort::Predictor& predictor, const float* images, float* numbers, int64_t elements, int64_t size,
    bool as_probabilities) {
  predict_on_memory(predictor, images, at::kFloat, numbers, elements, size, as_probabilities);
}

/// The same for bytes.
inline void predict(
    const retort::Predictor& predictor, const uint8_t* images, float* numbers, int64_t elements, int64_t size,
    bool as_probabilities) {
  predict_on_memory(predictor, images, at::kByte, numbers, elements, size, as_probabilities);
}

inline double accuracy(
    retort::Network& network, const float* images, const int64_t* labels, int64_t elements, int64_t batch) {
  return network.accuracy(images_for(network, images, elements), tensor_of(labels, {batch}, at::kLong));
}

/// An array of Java's, as StepNumber.
using ChannelNumber = double;

/// Augments images in memory. Takes the options one by one, so that Java has nothing to free.
inline void augment(
    const float* images, const int64_t* indices, float* augmented, int64_t batch, int64_t channels, int64_t height,
    int64_t width, int64_t padding, bool reflect, double flip, const ChannelNumber* mean,
    const ChannelNumber* deviation, int64_t normalized, int64_t seed, int64_t round) {
  retort::AugmentationOptions options;
  options.padding = padding;
  options.fill = reflect ? retort::ImageFill::kReflect : retort::ImageFill::kZero;
  options.flip = flip;
  options.mean.assign(mean, mean + normalized);
  options.deviation.assign(deviation, deviation + normalized);
  const std::vector<int64_t> shape = {batch, channels, height, width};
  at::Tensor result = tensor_of(augmented, shape, at::kFloat);
  retort::augment_into(
      result, tensor_of(images, shape, at::kFloat), tensor_of(indices, {batch}, at::kLong), options, seed, round);
}

inline void convert(retort::Network& network, int8_t dtype) {
  network.convert(static_cast<at::ScalarType>(dtype));
}

}  // namespace retort_jni
