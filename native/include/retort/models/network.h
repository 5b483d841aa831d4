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

/// Anything that maps a batch of images to logits and named features ("taps"): a native network (make_network), an
/// exported program (load_exported), a TorchScript module (load_torchscript) or a class of your own, which registers
/// its parameters and buffers as any torch::nn::Module does (in the constructor or in its first forward pass), passes
/// its tap names to the constructor and implements compute(). Always owned by a std::shared_ptr.
///
/// A network holds its current weights, which training updates, and the weights last published. predict() uses the
/// published weights; all other methods use the current ones.
///
/// All methods are thread-safe, except forward(), tensor_options() and those of torch::nn::Module. Methods that run the
/// network, or read or change its weights, hold its mutex, as a TrainingStep does for a whole step, and first wait for
/// a pending step (TrainingStepOptions::late_results), except probe(), which throws. Names, shapes and predictions with
/// published weights never wait.
class RETORT_API Network : public torch::nn::Module {
 public:
  explicit Network(std::vector<std::string> tap_names);
  ~Network() override;

  /// Runs the network in its current mode, and checks its output.
  /// @throws c10::ValueError if the output is not (logits [B, classes], one feature with the batch first for each tap)
  NetworkOutput forward(const at::Tensor& images);

  /// Computes logits [B, classes] in evaluation mode, without gradients, with the weights last published. Images are
  /// floating point or uint8, and prepared by the preprocessing(). Any number of threads may predict concurrently, and
  /// none waits for a training step, except in the first call on a network that was never published.
  ///
  /// Until publish() is called, the network is published automatically whenever its weights have changed. While another
  /// call, such as a training step, holds the network's mutex, predict() uses the last published weights.
  ///
  /// Predictions are serialised only if the program of a TorchScript network changes its own state in evaluation mode;
  /// such changes affect the published version alone. A class of your own without to_torchscript() can't be published:
  /// predict() runs the network itself, holding its mutex, and restores its mode.
  at::Tensor predict(const at::Tensor& images);

  /// Returns the fraction of the labelled images whose label has the largest logit, in evaluation mode, with the
  /// current weights.
  /// @param labels int64 [B]; -1 marks an unlabelled image, which is ignored
  /// @return between 0 and 1
  /// @throws c10::ValueError if the labels do not fit, or no image has a label
  double accuracy(const at::Tensor& images, const at::Tensor& labels);

  /// Counts the predictions in evaluation mode, with the current weights, by retort::count_predictions: adds to
  /// `confusion` and returns the number of images with their label among the `top` largest logits. Unlike for
  /// accuracy(), images need not have labels.
  /// @throws c10::ValueError if the arguments do not fit; nothing is counted in that case
  int64_t count_predictions(
      const at::Tensor& images, const at::Tensor& labels, const at::Tensor& confusion, int64_t top = kTopPredictions);

  /// Publishes the current weights (parameters, buffers and attributes): predict() uses them until the next call.
  /// Training, convert() and move_to() do not change the published weights; load_state_dict() publishes the loaded
  /// ones. Takes as long as copying the weights; the first call also builds the program. The previously published
  /// version is freed once its last prediction has ended.
  /// @throws c10::ValueError if the network is of a class of your own that does not implement to_torchscript(); the
  ///     previously published weights stay in use
  void publish();

  /// Returns how predict() and accuracy() prepare images, which is also the default of a TrainingStep on the network.
  /// Building a step with its own preprocessing sets it. By default, floating point images stay as they are.
  Preprocessing preprocessing() const;
  /// Sets how images are prepared. Published weights keep the preprocessing they were published with.
  /// @throws c10::ValueError if a value is out of range
  void set_preprocessing(const Preprocessing& preprocessing);

  /// Returns the algorithm of the network's 3 x 3 convolutions.
  Convolution convolution() const;
  /// Sets the algorithm of the network's 3 x 3 convolutions, for training and prediction, including prediction with
  /// published weights; Convolution::kWinograd by default. State dicts and other files do not contain it. Does not need
  /// the mutex.
  void set_convolution(Convolution algorithm);

  /// Determines the output shapes for an input shape by running one forward pass in evaluation mode, without side
  /// effects.
  /// @param input_shape without the batch, e.g. {3, 32, 32}
  /// @throws c10::ValueError if the shape is empty or not positive, or a training step on the network is pending
  void probe(const std::vector<int64_t>& input_shape);

  /// Returns the shape given to probe(); empty before.
  std::vector<int64_t> input_shape() const;
  /// Returns the number of classes; 0 before probe().
  int64_t classes() const;
  /// Returns the names of the taps. Those of a TorchScript network loaded without names are known only after probe().
  std::vector<std::string> tap_names() const;
  /// Returns the shape of a tap, without the batch.
  /// @throws c10::ValueError if there is no such tap or probe() was not called
  std::vector<int64_t> tap_shape(const std::string& name) const;
  /// Returns the position of a tap in NetworkOutput::features.
  /// @throws c10::ValueError if there is no such tap
  int64_t tap_index(const std::string& name) const;

  /// Returns the names of the modules up to the last feature map, for Stage::trained of a first stage that trains only
  /// these layers, as FSP's does. For a native network of the CIFAR family, they are those in RepDistiller's
  /// get_feat_modules that have parameters.
  /// @throws c10::ValueError if the network is a TorchScript one or of a class of your own that does not implement
  ///     structure()
  std::vector<std::string> backbone() const;
  /// Returns the name of the BatchNorm layer before a tap: the tap is the layer's output, plus the shortcut in a
  /// residual network. OFD computes a teacher's margins from this layer's weight and bias (ofd_expected_margin). For a
  /// native network of the CIFAR family, it is the one in RepDistiller's get_bn_before_relu.
  /// @throws c10::ValueError if there is no such tap, no BatchNorm layer before it, or the network is one for which
  ///     backbone() throws
  std::string norm_before(const std::string& tap) const;

  /// Returns parameters and buffers by name, in the order of PyTorch's state_dict. The tensors share the network's
  /// memory.
  torch::OrderedDict<std::string, at::Tensor> state_dict();
  /// Writes state_dict() to a file that Python reads with `torch.load(path, weights_only=True)`. The write is atomic:
  /// the file is written under a temporary name, synced and renamed.
  /// @throws FileError if it can't be written; a previous file is kept
  void save_state_dict(const std::string& path);
  /// Writes the same content to a stream, in one piece and without holding the mutex.
  /// @throws FileError if the stream fails
  void save_state_dict(std::ostream& stream);
  /// Loads a state dict written by save_state_dict or by Python's `torch.save`, alone or under the key "model",
  /// "state_dict" or "model_state_dict" of a checkpoint, and publishes the weights if the network has been published.
  /// Names and shapes must match exactly; dtypes are converted.
  /// @throws FileError if the file is missing, not a state dict, or one of its entries does not fit; nothing is changed
  ///     in that case
  void load_state_dict(const std::string& path);
  /// Loads a state dict as above from a stream, which is read to its end before anything else happens.
  /// @param name what error messages call the stream
  /// @throws FileError as above, and if the stream fails
  void load_state_dict(std::istream& stream, const std::string& name = "the stream");

  /// Writes the network as a TorchScript module in its current mode, for load_torchscript, Python's `torch.jit.load` or
  /// LibTorch. Parameters and buffers have the same names as in state_dict(). The module of a native network returns
  /// `(logits, features)` with the tap names as keys; that of a TorchScript network returns what the loaded one
  /// returned. The write is atomic.
  /// @throws FileError if it can't be written
  /// @throws c10::ValueError if the network is of a class of your own that does not implement to_torchscript()
  void save_torchscript(const std::string& path);
  /// Writes the same content to a stream, in one piece and without holding the mutex.
  /// @throws FileError if the stream fails
  /// @throws c10::ValueError as above
  void save_torchscript(std::ostream& stream);

  /// Returns the number of elements of all parameters.
  int64_t parameter_count() const;

  /// Converts floating point parameters and buffers to another dtype, e.g. at::kDouble. Call it before a TrainingStep
  /// is built on the network.
  /// @throws c10::ValueError if the dtype is not floating point
  void convert(at::ScalarType dtype);

  /// Moves parameters and buffers to a device: "cpu", "cuda" or, e.g., "cuda:1". Call it before a TrainingStep is built
  /// on the network. The images passed to predict() and accuracy() may stay on the CPU.
  /// @throws c10::ValueError if there is no such device; for CUDA, the message says what is missing
  void move_to(const std::string& device);

  /// Returns the dtype and device of the first floating point parameter; float32 on the CPU for a network without any.
  at::TensorOptions tensor_options() const;

  /// Returns the mutex held by everything that runs the network or reads or changes its weights.
  std::mutex& mutex() const;

 protected:
  /// Computes the forward pass. `features` must be in the order of tap_names().
  virtual NetworkOutput compute(const at::Tensor& images) = 0;

  /// Checks that the network accepts the images, as far as this is possible without running it. Called by forward() and
  /// predict(), without the mutex.
  virtual void check_images(const at::Tensor& images) const;

  /// Returns the network as a program whose forward returns (logits, features); save_torchscript() writes it and
  /// publish() copies it. If all parameters and buffers of the program are the network's own tensors, publish() calls
  /// this once; otherwise, every time. The default throws.
  virtual torch::jit::Module to_torchscript();

  /// Returns the structure for backbone() and norm_before(). The default returns std::nullopt.
  virtual std::optional<NetworkStructure> structure() const;

 private:
  friend class NetworkState;

  /// Runs `compute`, and checks the images and its output.
  NetworkOutput run(const at::Tensor& images, const std::function<NetworkOutput()>& compute);
  NetworkOutput evaluate(const at::Tensor& input);
  at::Tensor current_logits(const at::Tensor& images);

  std::unique_ptr<NetworkState> state_;
};

}  // namespace retort
