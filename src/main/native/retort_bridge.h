#pragma once

#include <ATen/ops/from_blob.h>
#include <c10/util/accumulate.h>
#include <retort/data/augmentation.h>
#include <retort/distributed/ranks.h>
#include <retort/distributed/ranks_listener.h>
#include <retort/errors.h>
#include <retort/losses/program_loss.h>
#include <retort/losses/registry.h>
#include <retort/models/exported.h>
#include <retort/models/network.h>
#include <retort/models/predictor.h>
#include <retort/models/saved_model.h>
#include <retort/models/torchscript.h>
#include <retort/train/stored_outputs.h>
#include <retort/train/training_step.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <istream>
#include <limits>
#include <map>
#include <memory>
#include <ostream>
#include <streambuf>
#include <string>
#include <utility>
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
  kTeachersChannelsLast,
  kNanoseconds,
  kWaitingNanoseconds,
  kTerms,
  kFirstTerm
};

/// An array of Java's in every overload, where `double*` would be a buffer in one for buffers.
using StepNumber = double;

constexpr size_t kMostTeacherFormats = 52;

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
  // A bit for each teacher, as many as a double holds.
  double of_teachers = 0;
  for (size_t i = 0; i < std::min<size_t>(result.teacher_formats.size(), kMostTeacherFormats); ++i) {
    if (result.teacher_formats[i] == retort::MemoryFormat::kChannelsLast)
      of_teachers += std::ldexp(1.0, static_cast<int>(i));
  }
  values[kTeachersChannelsLast] = of_teachers;
  values[kNanoseconds] = static_cast<double>(result.nanoseconds);
  values[kWaitingNanoseconds] = static_cast<double>(result.waiting_nanoseconds);
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
/// @param teacher_outputs logits and features of the teachers whose outputs are given, one teacher after the other
/// @param outputs_of_teachers how many of them each teacher has, 0 for one that runs
inline void run(
    retort::TrainingStep& step, const at::Tensor* images, const at::Tensor* labels, const at::Tensor* indices,
    const at::Tensor* contrast, const at::Tensor* weights, const std::vector<at::Tensor>& teacher_outputs,
    const std::vector<int64_t>& outputs_of_teachers, StepNumber* values) {
  const auto given = [](const at::Tensor* tensor) { return tensor ? *tensor : at::Tensor(); };
  std::vector<retort::NetworkOutput> taught;
  auto output = teacher_outputs.begin();
  for (int64_t count : outputs_of_teachers) {
    taught.emplace_back();
    if (count == 0) continue;
    taught.back() = {*output, {output + 1, output + count}};
    output += count;
  }
  step_into(
      values, step, {given(images), given(labels), given(indices), given(contrast), given(weights), std::move(taught)});
}

/// A text in bytes: a String of JavaCPP's ends at a zero, and comes in the charset of the platform.
using WholeText = std::string;

/// The name of a file, in the bytes that the system knows it by.
class FileName {
 public:
  FileName(const int8_t* name, int64_t size) : name_(reinterpret_cast<const char*>(name), static_cast<size_t>(size)) {}

  const std::string& get() const { return name_; }

 private:
  std::string name_;
};

/// What a stream of Java's gave or will get, so that native code need not wait for it.
class Bytes {
 public:
  Bytes() = default;

  /// What error messages call the stream.
  void name(const std::string& name) { name_ = name; }

  int64_t size() const { return static_cast<int64_t>(bytes_.size()); }

  void append(const int8_t* bytes, int64_t size) {
    bytes_.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(size));
  }

  void copy(int64_t offset, int8_t* to, int64_t size) const {
    bytes_.copy(reinterpret_cast<char*>(to), static_cast<size_t>(size), static_cast<size_t>(offset));
  }

  /// Appends what an action writes to a stream.
  template <typename Action>
  void write(const Action& action) {
    Appender buffer(bytes_);
    std::ostream stream(&buffer);
    action(stream);
  }

  /// Lets an action read a stream, which it is told the name of.
  template <typename Action>
  auto read(const Action& action) const {
    View buffer(bytes_);
    std::istream stream(&buffer);
    return action(stream, name_);
  }

 private:
  class Appender final : public std::streambuf {
   public:
    explicit Appender(std::string& bytes) : bytes_(bytes) {}

   protected:
    std::streamsize xsputn(const char* bytes, std::streamsize count) override {
      bytes_.append(bytes, static_cast<size_t>(count));
      return count;
    }

    int_type overflow(int_type byte) override {
      if (byte != traits_type::eof()) bytes_.push_back(traits_type::to_char_type(byte));
      return traits_type::not_eof(byte);
    }

   private:
    std::string& bytes_;
  };

  class View final : public std::streambuf {
   public:
    explicit View(const std::string& bytes) {
      // Never written to.
      char* begin = const_cast<char*>(bytes.data());
      setg(begin, begin, begin + bytes.size());
    }
  };

  std::string name_ = "the stream";
  std::string bytes_;
};

inline void set_file(retort::TeacherCacheOptions& cache, const FileName& file) {
  cache.file = file.get();
}

inline void save_state_dict(retort::Network& network, const FileName& file) {
  network.save_state_dict(file.get());
}

inline void save_state_dict(retort::Network& network, Bytes& bytes) {
  bytes.write([&](std::ostream& stream) { network.save_state_dict(stream); });
}

inline void load_state_dict(retort::Network& network, const FileName& file) {
  network.load_state_dict(file.get());
}

inline void load_state_dict(retort::Network& network, const Bytes& bytes) {
  bytes.read([&](std::istream& stream, const std::string& name) { network.load_state_dict(stream, name); });
}

inline void save_torchscript(retort::Network& network, const FileName& file) {
  network.save_torchscript(file.get());
}

inline void save_torchscript(retort::Network& network, Bytes& bytes) {
  bytes.write([&](std::ostream& stream) { network.save_torchscript(stream); });
}

inline std::shared_ptr<retort::Network> load_torchscript(
    const FileName& file, const std::vector<std::string>& tap_names) {
  return retort::load_torchscript(file.get(), tap_names);
}

inline std::shared_ptr<retort::Network> load_torchscript(
    const Bytes& bytes, const std::vector<std::string>& tap_names) {
  return bytes.read(
      [&](std::istream& stream, const std::string& name) { return retort::load_torchscript(stream, tap_names, name); });
}

inline std::shared_ptr<retort::Network> load_exported(const FileName& file, const std::vector<std::string>& tap_names) {
  return retort::load_exported(file.get(), tap_names);
}

inline std::shared_ptr<retort::Network> load_exported(const Bytes& bytes, const std::vector<std::string>& tap_names) {
  return bytes.read(
      [&](std::istream& stream, const std::string& name) { return retort::load_exported(stream, tap_names, name); });
}

inline WholeText describe_exported(const FileName& file) {
  return retort::describe_exported(file.get());
}

inline WholeText describe_exported(const Bytes& bytes) {
  return bytes.read(
      [](std::istream& stream, const std::string& name) { return retort::describe_exported(stream, name); });
}

inline std::vector<std::string> suggest_exported_taps(const FileName& file) {
  return retort::suggest_exported_taps(file.get());
}

inline std::vector<std::string> suggest_exported_taps(const Bytes& bytes) {
  return bytes.read(
      [](std::istream& stream, const std::string& name) { return retort::suggest_exported_taps(stream, name); });
}

inline std::shared_ptr<retort::CriterionOptions> load_program_loss(const Bytes& bytes) {
  return bytes.read(
      [](std::istream& stream, const std::string& name) { return retort::load_program_loss(stream, name); });
}

inline std::vector<std::string> load_criteria(const FileName& file) {
  return retort::load_criteria(file.get());
}

inline std::vector<std::string> registered_criteria() {
  return retort::registered_criteria();
}

inline std::shared_ptr<retort::CriterionOptions> make_criterion(
    const std::string& name, const std::vector<std::string>& keys, const std::vector<std::string>& values) {
  std::map<std::string, std::string> options;
  for (size_t i = 0; i < keys.size(); ++i) options[keys[i]] = values[i];
  return retort::make_criterion(name, options);
}

inline WholeText note_of(const int8_t* note, int64_t size) {
  return WholeText(reinterpret_cast<const char*>(note), static_cast<size_t>(size));
}

inline retort::StepCheckpoint checkpoint(retort::TrainingStep& step, const int8_t* note, int64_t size) {
  return step.checkpoint(note_of(note, size));
}

inline void save(retort::TrainingStep& step, const FileName& file, const int8_t* note, int64_t size) {
  step.save(file.get(), note_of(note, size));
}

inline void save(retort::TrainingStep& step, Bytes& bytes, const int8_t* note, int64_t size) {
  bytes.write([&](std::ostream& stream) { step.save(stream, note_of(note, size)); });
}

inline void write_checkpoint(const retort::StepCheckpoint& checkpoint, const FileName& file) {
  checkpoint.write(file.get());
}

inline void write_checkpoint(const retort::StepCheckpoint& checkpoint, Bytes& bytes) {
  bytes.write([&](std::ostream& stream) { checkpoint.write(stream); });
}

inline void write_student(const retort::StepCheckpoint& checkpoint, const FileName& file) {
  checkpoint.write_student(file.get());
}

inline void write_student(const retort::StepCheckpoint& checkpoint, Bytes& bytes) {
  bytes.write([&](std::ostream& stream) { checkpoint.write_student(stream); });
}

inline WholeText load(retort::TrainingStep& step, const FileName& file) {
  return step.load(file.get());
}

inline WholeText load(retort::TrainingStep& step, const Bytes& bytes) {
  return bytes.read([&](std::istream& stream, const std::string& name) { return step.load(stream, name); });
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

// Not by constructors, after whose call for the Java object JavaCPP calls JNI again without a check.
inline std::shared_ptr<retort::Predictor> new_predictor(const std::shared_ptr<retort::Network>& network) {
  return std::make_shared<retort::Predictor>(network);
}

inline std::shared_ptr<retort::Predictor> new_predictor(
    const std::shared_ptr<retort::Network>& network, const retort::Preprocessing& preprocessing) {
  return std::make_shared<retort::Predictor>(network, preprocessing);
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

// ---- saved models ---------------------------------------------------------------------------------------------------

/// @param texts the architecture, the columns, then the names of the classes
inline void save_model(
    const FileName& folder, retort::Network& network, const std::vector<std::string>& texts, int64_t resize) {
  retort::save_model(folder.get(), network, {texts.at(0), {texts.begin() + 2, texts.end()}, resize, texts.at(1)});
}

/// A model that was loaded, whose parts Java takes one by one.
class LoadedModel {
 public:
  explicit LoadedModel(const FileName& folder) : model_(retort::load_model(folder.get())) {}

  std::shared_ptr<retort::Network> network() const { return model_.network; }
  int64_t resize() const { return model_.description.resize; }

  /// The architecture, the columns, then the names of the classes.
  std::vector<std::string> texts() const {
    std::vector<std::string> texts = {model_.description.architecture, model_.description.columns};
    const std::vector<std::string>& classes = model_.description.class_names;
    texts.insert(texts.end(), classes.begin(), classes.end());
    return texts;
  }

 private:
  retort::SavedModel model_;
};

inline double accuracy(
    retort::Network& network, const float* images, const int64_t* labels, int64_t elements, int64_t batch) {
  return network.accuracy(images_for(network, images, elements), tensor_of(labels, {batch}, at::kLong));
}

/// Counts predictions for images in memory; see retort::Network::count_predictions.
/// @param confusion of `counts` numbers, as many as classes times classes
inline int64_t count_predictions(
    retort::Network& network, const float* images, const int64_t* labels, int64_t* confusion, int64_t elements,
    int64_t batch, int64_t counts) {
  const int64_t classes = network.classes();
  if (counts != classes * classes) {
    throw retort::ShapeError(
        c10::str("Network: confusion must be of ", classes, " times ", classes, " counts (got ", counts, ")"), nullptr);
  }
  return network.count_predictions(
      images_for(network, images, elements), tensor_of(labels, {batch}, at::kLong),
      tensor_of(confusion, {classes, classes}, at::kLong));
}

/// Where Augmenter.java puts an augmentation's numbers.
enum AugmentationValue : int {
  kOutputHeight,
  kOutputWidth,
  kPadding,
  kReflects,
  kResizes,
  kMinScale,
  kMaxScale,
  kMinRatio,
  kMaxRatio,
  kFlip,
  kBrightness,
  kContrast,
  kSaturation,
  kHue,
  kCutout,
  kNormalized,
  kCutoutValues,
  kLists
};

/// An array of Java's, as StepNumber.
using RealNumber = double;

/// Augments images in memory. The options are numbers, so that Java has nothing to free: those above, then the means,
/// the deviations and the values of the cutout.
inline void augment(
    const float* images, const int64_t* indices, float* augmented, int64_t batch, int64_t channels, int64_t height,
    int64_t width, const RealNumber* numbers, int64_t seed, int64_t round) {
  const auto whole = [&](AugmentationValue value) { return static_cast<int64_t>(numbers[value]); };
  retort::AugmentationOptions options;
  options.height = whole(kOutputHeight);
  options.width = whole(kOutputWidth);
  options.padding = whole(kPadding);
  options.fill = whole(kReflects) == 0 ? retort::ImageFill::kZero : retort::ImageFill::kReflect;
  if (whole(kResizes) != 0) {
    options.resized_crop = {numbers[kMinScale], numbers[kMaxScale], numbers[kMinRatio], numbers[kMaxRatio]};
  }
  options.flip = numbers[kFlip];
  options.color_jitter = {numbers[kBrightness], numbers[kContrast], numbers[kSaturation], numbers[kHue]};
  options.cutout = whole(kCutout);
  const RealNumber* mean = numbers + kLists;
  const RealNumber* deviation = mean + whole(kNormalized);
  const RealNumber* cutout_value = deviation + whole(kNormalized);
  options.mean.assign(mean, deviation);
  options.deviation.assign(deviation, cutout_value);
  options.cutout_value.assign(cutout_value, cutout_value + whole(kCutoutValues));
  at::Tensor result = tensor_of(
      augmented,
      {batch, channels, options.height > 0 ? options.height : height, options.width > 0 ? options.width : width},
      at::kFloat);
  retort::augment_into(
      result, tensor_of(images, {batch, channels, height, width}, at::kFloat), tensor_of(indices, {batch}, at::kLong),
      options, seed, round);
}

// ---- tables ---------------------------------------------------------------------------------------------------------

/// The mean and the standard deviation (of the values themselves, not estimated for more) of a table's column, in
/// float64 and one after the other, so that every machine gets the same. Differences from the first value keep the
/// digits of a mean that is far from 0. A deviation that float32 can't divide by, such as a constant's, becomes 1.
inline void column_moments(const float* values, int64_t count, RealNumber* mean_and_deviation) {
  const double first = values[0];
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += values[i] - first;
  const double shift = sum / static_cast<double>(count);
  double squares = 0;
  for (int64_t i = 0; i < count; ++i) {
    const double difference = values[i] - first - shift;
    squares += difference * difference;
  }
  const double deviation = std::sqrt(squares / static_cast<double>(count));
  mean_and_deviation[0] = first + shift;
  mean_and_deviation[1] = deviation < std::numeric_limits<float>::min() ? 1 : deviation;
}

// ---- ranks ----------------------------------------------------------------------------------------------------------

inline retort::RanksOptions ranks_options(
    const std::string& own_address, const std::string& job, const std::string& device, int64_t timeout_milliseconds) {
  retort::RanksOptions options;
  options.own_address = own_address;
  options.job = job;
  options.device = device;
  options.timeout = std::chrono::milliseconds(timeout_milliseconds);
  return options;
}

inline retort::RanksOptions ranks_options(
    int64_t rank, int64_t size, const std::string& address, int64_t port, const std::string& own_address,
    const std::string& job, const std::string& device, int64_t timeout_milliseconds) {
  retort::RanksOptions options = ranks_options(own_address, job, device, timeout_milliseconds);
  options.rank = rank;
  options.size = size;
  options.address = address;
  options.port = port;
  return options;
}

inline std::shared_ptr<retort::Ranks> join_ranks(
    int64_t rank, int64_t size, const std::string& address, int64_t port, const std::string& own_address,
    const std::string& job, const std::string& device, int64_t timeout_milliseconds) {
  return retort::Ranks::join(ranks_options(rank, size, address, port, own_address, job, device, timeout_milliseconds));
}

inline std::shared_ptr<retort::RanksListener> listen_for_ranks(
    int64_t rank, int64_t size, const std::string& address, int64_t port, const std::string& own_address,
    const std::string& job, const std::string& device, int64_t timeout_milliseconds) {
  return std::make_shared<retort::RanksListener>(
      ranks_options(rank, size, address, port, own_address, job, device, timeout_milliseconds));
}

/// Null if there is one process.
inline std::shared_ptr<retort::Ranks> ranks_from_environment(
    const std::string& own_address, const std::string& job, const std::string& device, int64_t timeout_milliseconds) {
  return retort::Ranks::from_environment(ranks_options(own_address, job, device, timeout_milliseconds));
}

/// The text of rank 0.
inline WholeText text_of_first(retort::Ranks& ranks, const int8_t* text, int64_t size) {
  return ranks.of_first(note_of(text, size));
}

// ---- stored outputs -------------------------------------------------------------------------------------------------

inline std::shared_ptr<retort::StoredOutputs> open_stored_outputs(const FileName& file, retort::FileAccess access) {
  return std::make_shared<retort::StoredOutputs>(file.get(), access);
}

inline std::shared_ptr<retort::StoredOutputs> open_stored_outputs(const Bytes& bytes) {
  return bytes.read([](std::istream& stream, const std::string& name) {
    return std::make_shared<retort::StoredOutputs>(stream, name);
  });
}

/// What StoredOutputsFormat.java makes a format of: samples, classes, dtype and top.
inline std::vector<int64_t> format_of(const retort::StoredOutputs& outputs) {
  const retort::StoredOutputsOptions& options = outputs.options();
  return {options.samples, options.classes, static_cast<int64_t>(options.dtype), options.top};
}

inline std::vector<std::string> tap_names_of(const retort::StoredOutputs& outputs) {
  std::vector<std::string> names;
  for (const retort::StoredTap& tap : outputs.options().taps) names.push_back(tap.name);
  return names;
}

inline std::vector<int64_t> tap_shape_of(const retort::StoredOutputs& outputs, int64_t tap) {
  return outputs.options().taps.at(static_cast<size_t>(tap)).shape;
}

inline WholeText stored_note_of(const retort::StoredOutputs& outputs) {
  return outputs.options().note;
}

/// Reads the logits of samples.
inline at::Tensor logits_of(const retort::StoredOutputs& outputs, const at::Tensor& indices) {
  return outputs.read(indices, {}).logits;
}

/// Reads the features of samples at a tap.
inline at::Tensor features_of(const retort::StoredOutputs& outputs, const at::Tensor& indices, int64_t tap) {
  return outputs.read(indices, {tap}).features.at(0);
}

/// @param format as format_of
/// @param sizes of each tap's shape the rank, then the sizes
inline std::shared_ptr<retort::StoredOutputsWriter> new_stored_outputs_writer(
    const FileName& file, const std::vector<int64_t>& format, const std::vector<std::string>& tap_names,
    const std::vector<int64_t>& sizes, const int8_t* note, int64_t note_size) {
  retort::StoredOutputsOptions options;
  options.samples = format.at(0);
  options.classes = format.at(1);
  options.dtype = static_cast<at::ScalarType>(format.at(2));
  options.top = format.at(3);
  auto size = sizes.begin();
  for (const std::string& name : tap_names) {
    const int64_t rank = *size++;
    options.taps.push_back({name, {size, size + rank}});
    size += rank;
  }
  options.note = note_of(note, note_size);
  return std::make_shared<retort::StoredOutputsWriter>(file.get(), options);
}

/// Writes what a teacher computes for images in memory.
inline void write_outputs(
    retort::StoredOutputsWriter& writer, const int64_t* indices, retort::Network& teacher, const float* images,
    int64_t batch, int64_t elements) {
  writer.write(tensor_of(indices, {batch}, at::kLong), teacher, images_for(teacher, images, elements));
}

inline void set_stored_outputs(retort::TeacherOptions& teacher, const std::shared_ptr<retort::StoredOutputs>& outputs) {
  teacher.stored_outputs = outputs;
}

inline void convert(retort::Network& network, int8_t dtype) {
  network.convert(static_cast<at::ScalarType>(dtype));
}

}  // namespace retort_jni
