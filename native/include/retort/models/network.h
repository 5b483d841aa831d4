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

/// What a network makes of a batch.
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

/// What a network tells of its inside, by the names of its modules.
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
/// A network has the weights that are being trained, and those last published, if any. predict() is about the latter,
/// everything else about the former.
///
/// All methods but forward, entries, publish_held, tensor_options, keeps_its_buffers, those on snapshots and attributes
/// and what torch::nn::Module itself offers may be called from several threads. Those that run the network, read its
/// weights or change them hold its mutex, as a TrainingStep does for a whole step. Shapes, names and predictions on
/// published weights never wait for it.
class RETORT_API Network : public torch::nn::Module {
 public:
  explicit Network(std::vector<std::string> tap_names);
  ~Network() override;

  /// Runs the network in the mode it is in, and checks what it returns.
  /// @throws c10::ValueError if the output is not (logits [B, classes], one feature with the batch first for each tap)
  NetworkOutput forward(const at::Tensor& images);

  /// Makes predict() serve the weights (parameters, buffers and attributes) as they are now, until the next publish();
  /// training, load_state_dict() and convert() do not touch what is published. Waits for the network's mutex; then
  /// it takes as long as a copy of the weights, the first time also what the program costs to build. The version
  /// published before is freed when the last prediction with it has ended.
  /// @throws c10::ValueError if the network is of a class of your own that does not implement to_torchscript(); what
  /// was published before stays then
  void publish();

  /// publish() for a caller that holds the mutex.
  void publish_held();

  /// Logits [B, classes] in evaluation mode, without gradients.
  ///
  /// Before the first publish() they are those of the weights that are being trained: the network itself runs, holding
  /// its mutex, and its mode is restored. Afterwards they are those of the published weights: any number of threads
  /// predict at once and wait for no training step. Only if the program of a TorchScript network changes its own state
  /// in evaluation mode do such predictions take turns; the changes are the published version's alone.
  at::Tensor predict(const at::Tensor& images);

  /// The fraction of the labelled images whose label the network finds in evaluation mode, in [0, 1].
  /// @param labels int64 [B]; -1 marks an image that does not count
  /// @throws c10::ValueError if the labels do not fit or none is given
  double accuracy(const at::Tensor& images, const at::Tensor& labels);

  /// Learns the shapes that belong to an input shape by one forward pass in evaluation mode that changes nothing.
  /// @param input_shape without the batch, e.g. {3, 32, 32}
  /// @throws c10::ValueError if a training step has a late result of the network pending
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
  /// state_dict() for a caller that holds the mutex.
  torch::OrderedDict<std::string, at::Tensor> entries();
  /// Writes state_dict() as a file that Python reads with `torch.load(path, weights_only=True)`. The file is complete
  /// or not there: it is written under a temporary name, synced and renamed.
  void save_state_dict(const std::string& path);
  /// Loads a state dict written by save_state_dict or by Python's `torch.save`, alone or under the key "model" or
  /// "state_dict" of a checkpoint. Names and shapes must match exactly; dtypes are converted.
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

  /// Remembers what a forward pass may change (buffers), so that restore() can put it back. There is one such memory,
  /// which the next snapshot() overwrites: a step whose result is late claims it.
  virtual void snapshot();
  /// How many there have been.
  int64_t snapshots() const { return snapshots_; }
  /// Puts back what snapshot() remembered.
  virtual void restore();

  /// Lets nobody but the owner, a step, take a snapshot until it releases it. For who holds the mutex, as what follows.
  void claim_snapshot(const void* owner) { snapshot_owner_ = owner; }
  void release_snapshot(const void* owner) {
    if (snapshot_owner_ == owner) snapshot_owner_ = nullptr;
  }
  /// Requires that nobody else has claimed the snapshot.
  /// @throws c10::ValueError if somebody has
  void check_snapshot_is_free(const void* owner) const;

  /// Whether the last forward pass has left all buffers in the tensors that named_buffers() returns. Not so for a
  /// TorchScript program that assigns them anew, until somebody asks for them.
  virtual bool keeps_its_buffers() const { return true; }

  /// What a forward pass may change besides parameters and buffers, e.g. a counter of a TorchScript module, as bytes
  /// for a checkpoint; empty if there is nothing of the kind. Of a TorchScript module that is every attribute made of
  /// numbers, strings, tensors, lists, dicts and tuples; objects of classes are left out.
  virtual std::string packed_attributes() const;
  /// Puts back what packed_attributes() returned.
  /// @throws c10::ValueError if the bytes are of another network or no such bytes; nothing is changed then
  virtual void unpack_attributes(const std::string& bytes);

  /// Held by everything that runs the network or reads or changes its weights.
  std::mutex& mutex() const { return mutex_; }

 protected:
  /// The forward pass. `features` must be in the order of tap_names().
  virtual NetworkOutput compute(const at::Tensor& images) = 0;

  /// tap_names() for the forward pass, during which the mutex is held.
  const std::vector<std::string>& current_tap_names() const { return tap_names_; }

  /// Requires images that the network takes, as far as it can tell without running. Called by forward() and predict(),
  /// without the mutex.
  virtual void check_images(const at::Tensor& images) const;

  /// Throws the error for images on which the network's program failed.
  /// @param reason what LibTorch says, one line
  virtual void refuse(const at::Tensor& images, const std::string& reason) const;

  /// The network as a program whose forward returns (logits, features); what save_torchscript() writes and publish()
  /// copies. If all its parameters and buffers are the network's own tensors, publish() asks for it once only; else
  /// every time. The default says that there is none.
  virtual torch::jit::Module to_torchscript();

  /// What backbone() and norm_before() tell. The default says that it is not known.
  virtual std::optional<NetworkStructure> structure() const;

  /// Brings registered buffers up to date, for a network that keeps its state elsewhere. Called before they are read.
  virtual void synchronise() {}

  void set_tap_names(std::vector<std::string> names);

 private:
  class Serving;

  NetworkOutput evaluate(const at::Tensor& images);
  size_t find_tap(const std::string& name) const;
  NetworkStructure known_structure(const char* function) const;

  // Changed by who holds both mutexes, so that either is enough to read.
  std::vector<std::string> tap_names_;
  std::vector<int64_t> input_shape_;
  std::vector<std::vector<int64_t>> tap_shapes_;
  int64_t classes_ = 0;
  mutable std::mutex shapes_mutex_;

  std::unique_ptr<Serving> serving_;
  std::optional<std::vector<at::Tensor>> saved_buffers_;  // looked up once, until the next probe()
  std::vector<at::Tensor> saved_contents_;
  int64_t snapshots_ = 0;
  const void* snapshot_owner_ = nullptr;
  mutable std::mutex mutex_;
};

}  // namespace retort
