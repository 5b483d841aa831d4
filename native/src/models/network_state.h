#pragma once

#include <c10/util/Exception.h>
#include <retort/models/network.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "models/network_shapes.h"
#include "models/network_snapshot.h"
#include "models/preprocessor.h"
#include "models/serving.h"

namespace retort {

/// Thrown for a class of network that has no program, and so nothing to publish.
class NoProgramError final : public c10::ValueError {
 public:
  using c10::ValueError::ValueError;
};

/// Has something pending that may still roll a network back.
class PendingOwner {
 public:
  virtual ~PendingOwner() = default;
  /// Commits what is pending or rolls it back; returns the network's mutex, locked. For who holds no mutex of a
  /// network.
  /// @param waits until that is possible; if not and it isn't, the lock that is returned holds nothing
  virtual std::unique_lock<std::mutex> settle_and_lock(const Network& network, bool waits) = 0;
};

/// What the library needs of a network beyond its public methods: the internal handle of a training step. Unless it
/// says otherwise, for who holds the network's mutex.
class NetworkState {
 public:
  explicit NetworkState(std::vector<std::string> tap_names);
  virtual ~NetworkState();
  NetworkState(const NetworkState&) = delete;
  NetworkState& operator=(const NetworkState&) = delete;

  static NetworkState& of(const Network& network) { return *network.state_; }
  /// Gives a network that is being constructed its state, or one that knows more of its class.
  static void give(Network& network, std::unique_ptr<NetworkState> state);

  Network& network() const { return *network_; }

  /// Parameters and buffers by name, see Network::state_dict.
  torch::OrderedDict<std::string, at::Tensor> entries();
  /// Network::publish.
  void publish();
  /// Network::predict.
  /// @param given how images are prepared in place of the network's own preprocessing; may be null
  at::Tensor predict(const at::Tensor& images, const Preprocessor* given = nullptr);

  /// A forward pass in evaluation mode without gradients, with the current weights, in which convolutions are one
  /// operator with what follows them; none if the network has no program for that, or nothing would be gained. Its
  /// modules' modes do not matter. Differs from forward() by rounding.
  std::optional<NetworkOutput> evaluate_fused(const at::Tensor& input);
  /// The same, or Network::forward in evaluation mode.
  NetworkOutput evaluate(const at::Tensor& input);

  /// How images are prepared with the current weights. Waits for nothing and needs no mutex.
  std::shared_ptr<const Preprocessor> preprocessor() const { return std::atomic_load(&preprocessor_); }
  void set_preprocessor(std::shared_ptr<const Preprocessor> preprocessor);

  /// In which images are given to the network for predictions: with channels last, in which convolutions are faster, on
  /// a CPU and if the network takes them so.
  at::MemoryFormat format_of_maps() const;
  void set_takes_channels_last() { takes_channels_last_ = true; }
  /// Network::convolution. Needs no mutex.
  Convolution convolution() const { return convolution_; }
  void set_convolution(Convolution algorithm) { convolution_ = algorithm; }

  // ---- what a forward pass may change -------------------------------------------------------------------------------

  /// Memory for the buffers and everything else that a forward pass may change.
  virtual std::unique_ptr<NetworkSnapshot> new_snapshot();
  /// Brings registered buffers up to date, for a network that keeps its state elsewhere.
  virtual void synchronise() {}
  /// Whether the last forward pass has left all buffers in the tensors that named_buffers() returns. Not so for a
  /// TorchScript program that assigns them anew, until synchronise().
  virtual bool keeps_its_buffers() const { return true; }
  /// What a forward pass may change besides parameters and buffers, e.g. a counter of a TorchScript module, as bytes
  /// for a checkpoint; empty if there is nothing of the kind. Of a TorchScript module that is every attribute made of
  /// numbers, strings, tensors, lists, dicts and tuples; objects of classes are left out.
  virtual std::string packed_attributes() const;
  /// Reads what packed_attributes() returned. Returns what restores it, which can't fail.
  /// @throws c10::ValueError if the bytes are of another network or no such bytes
  [[nodiscard]] virtual std::function<void()> unpack_attributes(const std::string& bytes);
  /// What the network computes, beside its parameters, buffers and attributes, as bytes that are the same in any
  /// process for the same file; empty for a class of C++, whose name says it.
  virtual std::string packed_program() const { return {}; }

  /// For error messages.
  virtual std::string class_name() const { return network_->name(); }
  /// Why a training step can't train the network; empty if it can.
  virtual std::string cannot_learn() const { return {}; }

  // ---- what is pending ----------------------------------------------------------------------------------------------

  std::mutex& mutex() { return mutex_; }
  /// Locks the mutex with nothing pending: for who does not hold it.
  std::unique_lock<std::mutex> lock_settled() { return settled(std::unique_lock<std::mutex>(mutex_), /*waits=*/true); }
  /// The same, but holds nothing if that would mean to wait.
  std::unique_lock<std::mutex> try_lock_settled() {
    return settled(std::unique_lock<std::mutex>(mutex_, std::try_to_lock), /*waits=*/false);
  }
  void set_pending(std::weak_ptr<PendingOwner> owner) { pending_ = std::move(owner); }
  /// If that is the owner's.
  void clear_pending(const PendingOwner& owner) {
    if (pending_.lock().get() == &owner) pending_.reset();
  }
  /// Null if nothing is pending.
  std::shared_ptr<PendingOwner> pending() const { return pending_.lock(); }
  /// Requires that nothing is pending.
  /// @throws c10::ValueError if something is
  void check_nothing_pending() const;

  /// Notes that the network is about to change; returns its new revision.
  int64_t note_change() { return ++revision_; }
  /// Of weights, buffers and attributes, as far as changes were noted.
  int64_t revision() const { return revision_; }

  // ---- parts --------------------------------------------------------------------------------------------------------

  NetworkShapes& shapes() { return shapes_; }
  Serving& serving() { return serving_; }
  /// How often the network was probed: its first forward pass may register more buffers.
  int64_t probes() const { return probes_; }
  void note_probe() { ++probes_; }
  /// The program that is published.
  torch::jit::Module program();
  /// Throws the error for images on which the network's program failed. Without the mutex.
  /// @param reason what LibTorch says, one line
  virtual void refuse(const at::Tensor& images, const std::string& reason) const;

 private:
  std::unique_lock<std::mutex> settled(std::unique_lock<std::mutex> lock, bool waits);

  Network* network_ = nullptr;
  NetworkShapes shapes_;
  Serving serving_;
  std::shared_ptr<const Preprocessor> preprocessor_ = std::make_shared<Preprocessor>("Network", Preprocessing());
  std::atomic<Convolution> convolution_ = Convolution::kWinograd;
  bool takes_channels_last_ = false;
  int64_t probes_ = 0;
  std::weak_ptr<PendingOwner> pending_;
  int64_t revision_ = 0;
  std::mutex mutex_;
};

/// Probes a network that was loaded with the input shape of its training, unless it was probed before or does not take
/// that: who needs shapes then probes it and gets the error. For who does not hold the mutex.
void probe_as_trained(Network& network);

}  // namespace retort
