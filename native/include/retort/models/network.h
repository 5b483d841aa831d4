#pragma once

#include <ATen/core/Tensor.h>
#include <retort/export.h>
#include <torch/nn/module.h>
#include <torch/ordered_dict.h>

#include <cstdint>
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

/// What a network knows of its own layers, by the names of its modules.
struct NetworkStructure {
  /// All modules with parameters below the last feature map: what FSP's first stage trains.
  std::vector<std::string> backbone;
  /// The BatchNorm layers that give OFD its margins.
  std::vector<NormBefore> norms;
};

/// Anything that maps a batch of images to logits and named features: a native network (make_network), a TorchScript
/// module (load_torchscript) or a class of your own, which registers its parameters and buffers as any
/// torch::nn::Module does (in the constructor or in its first forward pass), passes its tap names to the constructor
/// and implements compute(). Always owned by a std::shared_ptr.
///
/// A network has the weights that are being trained, and those that were last published. predict() serves the latter;
/// everything else is about the former.
///
/// All methods but forward(), tensor_options() and what torch::nn::Module itself offers may be called from several
/// threads. Those that run the network, read its weights or change them hold its mutex, as a TrainingStep does for a
/// whole step, and first wait for a step of which the result is pending (TrainingStepOptions::late_results). Shapes,
/// names and predictions on published weights never wait.
class RETORT_API Network : public torch::nn::Module {
 public:
  explicit Network(std::vector<std::string> tap_names);
  ~Network() override;

  /// Runs the network in the mode it is in, and checks what it returns.
  /// @throws c10::ValueError if the output is not (logits [B, classes], one feature with the batch first for each tap)
  NetworkOutput forward(const at::Tensor& images);

  /// Logits [B, classes] in evaluation mode, without gradients, computed with the weights that were last published. Any
  /// number of threads may predict at once, and none waits for a training step.
  ///
  /// A network on which nobody has called publish() publishes itself, again whenever its weights have changed. Only the
  /// first time does it wait for a step; later, while a step is running, it serves what it published last.
  ///
  /// Only if the program of a TorchScript network changes its own state in evaluation mode do predictions take turns;
  /// the changes are the published version's alone. A class of your own without to_torchscript() has nothing to
  /// publish: it runs itself, holding its mutex, and its mode is restored.
  at::Tensor predict(const at::Tensor& images);

  /// The fraction of the labelled images whose label the network predicts in evaluation mode, in [0, 1]; by the weights
  /// that are being trained.
  /// @param labels int64 [B]; -1 marks an image that does not count
  /// @throws c10::ValueError if the labels do not fit or none is given
  double accuracy(const at::Tensor& images, const at::Tensor& labels);

  /// Makes predict() serve the weights (parameters, buffers and attributes) as they are now, until the next call.
  /// Training, convert() and move_to() leave the published weights as they are; load_state_dict() publishes the loaded
  /// ones. Takes as long as a copy of the weights, and the first time also builds the program. The version published
  /// before is freed when the last prediction with it has ended.
  /// @throws c10::ValueError if the network is of a class of your own that does not implement to_torchscript(); what
  /// was published before stays then
  void publish();

  /// Learns the shapes that belong to an input shape by one forward pass in evaluation mode that changes nothing.
  /// @param input_shape without the batch, e.g. {3, 32, 32}
  /// @throws c10::ValueError if the result of a training step on the network is pending
  void probe(const std::vector<int64_t>& input_shape);

  /// The shape given to probe(); empty before.
  std::vector<int64_t> input_shape() const;
  /// The number of classes, 0 before probe().
  int64_t classes() const;
  /// The names of the taps. Of a TorchScript network loaded without names they are known after probe().
  std::vector<std::string> tap_names() const;
  /// A tap's shape without the batch, known after probe().
  /// @throws c10::ValueError if there is no such tap
  std::vector<int64_t> tap_shape(const std::string& name) const;
  /// A tap's place in NetworkOutput::features.
  /// @throws c10::ValueError if there is no such tap
  int64_t tap_index(const std::string& name) const;

  /// The names of the modules that lead to the last feature map, without what comes after it: Stage::trained of a first
  /// stage that trains the layers alone, as FSP's does. Of a native network they are RepDistiller's get_feat_modules,
  /// as far as those have parameters.
  /// @throws c10::ValueError if the network is a TorchScript one or of a class of your own that does not implement
  /// structure()
  std::vector<std::string> backbone() const;
  /// The name of the BatchNorm layer before a tap, whose output it is, in a residual network after the shortcut was
  /// added: what OFD's margins of a teacher are computed from (ofd_expected_margin of its weight and bias). Of a native
  /// network they are RepDistiller's get_bn_before_relu.
  /// @throws c10::ValueError if there is no such tap, no BatchNorm layer before it, or the network is one of those for
  /// which backbone() throws
  std::string norm_before(const std::string& tap) const;

  /// Parameters and buffers by name, in the order of PyTorch's state_dict. The tensors share the network's memory.
  torch::OrderedDict<std::string, at::Tensor> state_dict();
  /// Writes state_dict() as a file that Python reads with `torch.load(path, weights_only=True)`. The file is complete
  /// or not there: it is written under a temporary name, synced and renamed.
  void save_state_dict(const std::string& path);
  /// Loads a state dict written by save_state_dict or by Python's `torch.save`, alone or under the key "model" or
  /// "state_dict" of a checkpoint, and publishes it if the network has been published. Names and shapes must match
  /// exactly; dtypes are converted.
  /// @throws c10::ValueError if the file or one of its entries does not fit; nothing is changed then
  void load_state_dict(const std::string& path);

  /// Writes the network as a TorchScript module for Python's `torch.jit.load`, LibTorch or load_torchscript. Names of
  /// parameters and buffers are those of state_dict(), the mode is the network's. A native network's module returns
  /// `(logits, features)` with the tap names as keys, a TorchScript network's what it has always returned. The file is
  /// complete or not there.
  /// @throws c10::ValueError if the network is of a class of your own that does not implement to_torchscript(), or if
  /// the file cannot be written
  void save_torchscript(const std::string& path);

  /// The number of elements of all parameters.
  int64_t parameter_count() const;

  /// Converts floating point parameters and buffers to another dtype, e.g. at::kDouble. Do so before a TrainingStep is
  /// built on the network.
  /// @throws c10::ValueError if the dtype is not floating point
  void convert(at::ScalarType dtype);

  /// Moves parameters and buffers to a device: "cpu", "cuda" or, e.g., "cuda:1". Do so before a TrainingStep is built
  /// on the network. Images that predict() and accuracy() are given may stay where they are.
  /// @throws c10::ValueError if there is no such device; for CUDA the message says what is missing
  void move_to(const std::string& device);

  /// Dtype and device of the first floating point parameter; float32 on the CPU for a network without any.
  at::TensorOptions tensor_options() const;

  /// Held by everything that runs the network or reads or changes its weights.
  std::mutex& mutex() const;

 protected:
  /// The forward pass. `features` must be in the order of tap_names().
  virtual NetworkOutput compute(const at::Tensor& images) = 0;

  /// Requires images that the network takes, as far as it can tell without running. Called by forward() and predict(),
  /// without the mutex.
  virtual void check_images(const at::Tensor& images) const;

  /// The network as a program whose forward returns (logits, features); what save_torchscript() writes and publish()
  /// copies. If all its parameters and buffers are the network's own tensors, publish() asks for it once only; else
  /// every time. The default says that there is none.
  virtual torch::jit::Module to_torchscript();

  /// For backbone() and norm_before(). The default says that nothing is known.
  virtual std::optional<NetworkStructure> structure() const;

 private:
  friend class NetworkState;

  NetworkOutput evaluate(const at::Tensor& images);

  std::unique_ptr<NetworkState> state_;
};

}  // namespace retort
