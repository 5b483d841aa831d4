#pragma once

#include <ATen/core/Tensor.h>
#include <retort/convolution.h>
#include <retort/export.h>
#include <retort/models/metrics.h>
#include <retort/models/preprocessing.h>
#include <torch/nn/module.h>
#include <torch/ordered_dict.h>

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace torch::jit {
struct Module;
}

namespace retort {

class NetworkState;

/// The outputs of a network for a batch.
struct NetworkOutput {
  /// [B, classes]
  at::Tensor logits;
  /// The taps, in the order of Network::tap_names, each with the batch first.
  std::vector<at::Tensor> features;
};

/// A tap and the BatchNorm layer before it.
struct NormBefore {
  std::string tap;
  std::string norm;
};

/// A network's structure, by the names of its modules.
struct NetworkStructure {
  /// All modules with parameters up to the last feature map; FSP's first stage trains them.
  std::vector<std::string> backbone;
  /// The BatchNorm layers that give OFD its margins.
  std::vector<NormBefore> norms;
};

/// Anything that maps a batch of images to logits and named features: a native network (make_network), a TorchScript
/// module (load_torchscript) or a class of your own, which registers its parameters and buffers as any
/// torch::nn::Module does (in the constructor or in its first forward pass), passes its tap names to the constructor
/// and implements compute(). Always owned by a std::shared_ptr.
///
/// A network holds its current weights, which training updates, and the weights last published. predict() uses the
/// published weights; all other methods use the current ones.
///
/// All methods are thread-safe, except forward(), tensor_options() and those of torch::nn::Module. Methods that run the
/// network, or read or change its weights, hold its mutex, as a TrainingStep does for a whole step, and first wait for
/// a pending step (TrainingStepOptions::late_results). Shapes, names and predictions on published weights never wait.
class RETORT_API Network : public torch::nn::Module {
 public:
  explicit Network(std::vector<std::string> tap_names);
  ~Network() override;

  /// Runs the network in the mode it is in, and checks what it returns.
  /// @throws c10::ValueError if the output is not (logits [B, classes], one feature with the batch first for each tap)
  NetworkOutput forward(const at::Tensor& images);

  /// Logits [B, classes] in evaluation mode, without gradients, computed with the weights that were last published, of
  /// images that are prepared as preprocessing() says, of floating point or bytes. Any
  /// number of threads may predict at once, and none waits for a training step, but for the first call on a network
  /// that was never published.
  ///
  /// Until publish() is called, predict() publishes the network automatically whenever its weights have changed. While
  /// another call, such as a training step, holds the network's mutex, it uses the last published weights.
  ///
  /// Predictions are serialised only if the program of a TorchScript network changes its own state in evaluation mode;
  /// such changes affect the published version alone. A class of your own without to_torchscript() cannot be published:
  /// predict() runs the network itself, holding its mutex, and restores its mode.
  at::Tensor predict(const at::Tensor& images);

  /// The fraction of the labelled images whose label the network predicts in evaluation mode, in [0, 1], with the
  /// current weights.
  /// @param labels int64 [B]; -1 marks an unlabelled image, which is ignored
  /// @throws c10::ValueError if the labels do not fit or none is given
  double accuracy(const at::Tensor& images, const at::Tensor& labels);

  /// Counts what the network predicts in evaluation mode, with the current weights, as accuracy() does, by
  /// retort::count_predictions: adds to `confusion` and returns how many images have their label among the `top`
  /// largest logits. None need have a label.
  /// @throws c10::ValueError if the arguments do not fit; nothing is counted then
  int64_t count_predictions(
      const at::Tensor& images, const at::Tensor& labels, const at::Tensor& confusion, int64_t top = kTopPredictions);

  /// Publishes the current weights (parameters, buffers and attributes): predict() uses them until the next call.
  /// Training, convert() and move_to() leave the published weights as they are; load_state_dict() publishes the loaded
  /// ones. Takes as long as a copy of the weights; the first call also builds the program. The previously published
  /// version is freed once its last prediction has ended.
  /// @throws c10::ValueError if the network is of a class of your own that does not implement to_torchscript(); the
  ///     weights published before stay in use then
  void publish();

  /// How predict() and accuracy() prepare images, and what a TrainingStep on the network takes by default. Building a
  /// step with a preprocessing of its own sets it. By default floating point images stay as they are.
  Preprocessing preprocessing() const;
  /// Sets how images are prepared. Published weights keep the preprocessing that they were published with.
  /// @throws c10::ValueError if a value is out of range
  void set_preprocessing(const Preprocessing& preprocessing);

  /// The algorithm of its 3 x 3 convolutions, in training and prediction, of published weights, too.
  Convolution convolution() const;
  /// Sets it: by default Convolution::kWinograd. It is part of neither state dicts nor other files. Needs no mutex.
  void set_convolution(Convolution algorithm);

  /// Determines the output shapes for an input shape, by one forward pass in evaluation mode without side effects.
  /// @param input_shape without the batch, e.g. {3, 32, 32}
  /// @throws c10::ValueError if the result of a training step on the network is pending
  void probe(const std::vector<int64_t>& input_shape);

  /// The shape given to probe(); empty before.
  std::vector<int64_t> input_shape() const;
  /// The number of classes, 0 before probe().
  int64_t classes() const;
  /// The names of the taps. For a TorchScript network loaded without names, they are known only after probe().
  std::vector<std::string> tap_names() const;
  /// A tap's shape without the batch, known after probe().
  /// @throws c10::ValueError if there is no such tap
  std::vector<int64_t> tap_shape(const std::string& name) const;
  /// A tap's place in NetworkOutput::features.
  /// @throws c10::ValueError if there is no such tap
  int64_t tap_index(const std::string& name) const;

  /// The names of the modules up to the last feature map, for Stage::trained of a first stage that trains only these
  /// layers, as FSP's does. For a native network of the CIFAR family they are those of RepDistiller's get_feat_modules
  /// that have parameters.
  /// @throws c10::ValueError if the network is a TorchScript one or of a class of your own that does not implement
  /// structure()
  std::vector<std::string> backbone() const;
  /// The name of the BatchNorm layer before a tap: the tap is its output, in a residual network plus the shortcut. OFD
  /// computes a teacher's margins from this layer's weight and bias (ofd_expected_margin). For a native network of the
  /// CIFAR family it is that of RepDistiller's get_bn_before_relu.
  /// @throws c10::ValueError if there is no such tap, no BatchNorm layer before it, or the network is one of those for
  /// which backbone() throws
  std::string norm_before(const std::string& tap) const;

  /// Parameters and buffers by name, in the order of PyTorch's state_dict. The tensors share the network's memory.
  torch::OrderedDict<std::string, at::Tensor> state_dict();
  /// Writes state_dict() as a file that Python reads with `torch.load(path, weights_only=True)`. The write is atomic:
  /// the file is written under a temporary name, synced and renamed.
  /// @throws FileError if it cannot be written; a previous file stays then
  void save_state_dict(const std::string& path);
  /// Writes the same to a stream, in one piece and without holding the mutex.
  /// @throws FileError if the stream fails
  void save_state_dict(std::ostream& stream);
  /// Loads a state dict written by save_state_dict or by Python's `torch.save`, alone or under the key "model" or
  /// "state_dict" of a checkpoint, and publishes it if the network has been published. Names and shapes must match
  /// exactly; dtypes are converted.
  /// @throws FileError if the file is missing, not a state dict, or one of its entries does not fit; nothing is changed
  /// then
  void load_state_dict(const std::string& path);
  /// Loads the same from a stream, which is read to its end before anything else happens.
  /// @param name what error messages call the stream
  /// @throws FileError as above, and if the stream fails
  void load_state_dict(std::istream& stream, const std::string& name = "the stream");

  /// Writes the network as a TorchScript module for Python's `torch.jit.load`, LibTorch or load_torchscript. Parameters
  /// and buffers have the names of state_dict(); the module is in the network's mode. A native network's module returns
  /// `(logits, features)` with the tap names as keys; a TorchScript network's module returns what the loaded one
  /// returned. The write is atomic.
  /// @throws FileError if it cannot be written
  /// @throws c10::ValueError if the network is of a class of your own that does not implement to_torchscript()
  void save_torchscript(const std::string& path);
  /// Writes the same to a stream, in one piece and without holding the mutex.
  /// @throws FileError if the stream fails
  /// @throws c10::ValueError as above
  void save_torchscript(std::ostream& stream);

  /// The number of elements of all parameters.
  int64_t parameter_count() const;

  /// Converts floating point parameters and buffers to another dtype, e.g. at::kDouble. Call it before a TrainingStep
  /// is built on the network.
  /// @throws c10::ValueError if the dtype is not floating point
  void convert(at::ScalarType dtype);

  /// Moves parameters and buffers to a device: "cpu", "cuda" or, e.g., "cuda:1". Call it before a TrainingStep is built
  /// on the network. The images passed to predict() and accuracy() may stay on the CPU.
  /// @throws c10::ValueError if there is no such device; for CUDA the message says what is missing
  void move_to(const std::string& device);

  /// Dtype and device of the first floating point parameter; float32 on the CPU for a network without any.
  at::TensorOptions tensor_options() const;

  /// Held by everything that runs the network or reads or changes its weights.
  std::mutex& mutex() const;

 protected:
  /// The forward pass. `features` must be in the order of tap_names().
  virtual NetworkOutput compute(const at::Tensor& images) = 0;

  /// Checks that the network accepts the images, as far as this is possible without running it. Called by forward() and
  /// predict(), without the mutex.
  virtual void check_images(const at::Tensor& images) const;

  /// The network as a program whose forward returns (logits, features); save_torchscript() writes it and publish()
  /// copies it. If all its parameters and buffers are the network's own tensors, publish() calls this once; otherwise
  /// every time. The default throws.
  virtual torch::jit::Module to_torchscript();

  /// For backbone() and norm_before(). The default returns std::nullopt.
  virtual std::optional<NetworkStructure> structure() const;

 private:
  friend class NetworkState;

  /// Checks images and what `compute` makes of them.
  NetworkOutput run(const at::Tensor& images, const std::function<NetworkOutput()>& compute);
  NetworkOutput evaluate(const at::Tensor& input);
  at::Tensor current_logits(const at::Tensor& images);

  std::unique_ptr<NetworkState> state_;
};

}  // namespace retort
