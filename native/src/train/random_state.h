#pragma once

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>
#include <ATen/core/Generator.h>

#include <mutex>
#include <optional>

namespace retort {

/// The state of a generator at one moment. That of the CPU's is copied as it is: packed into a tensor, as LibTorch
/// hands it out, it would take longer than a small network's cross-entropy.
class RandomState {
 public:
  void save(at::Generator generator) {
    const std::lock_guard<std::mutex> lock(generator.mutex());
    if (!generator.device().is_cpu()) {
      packed_ = generator.get_state();
      return;
    }
    auto* cpu = generator.get<at::CPUGeneratorImpl>();
    engine_ = cpu->engine();
    next_float_ = cpu->next_float_normal_sample();
    next_double_ = cpu->next_double_normal_sample();
  }

  void restore(at::Generator generator) const {
    const std::lock_guard<std::mutex> lock(generator.mutex());
    if (!generator.device().is_cpu()) {
      generator.set_state(packed_);
      return;
    }
    auto* cpu = generator.get<at::CPUGeneratorImpl>();
    cpu->set_engine(engine_);
    cpu->set_next_float_normal_sample(next_float_);
    cpu->set_next_double_normal_sample(next_double_);
  }

  /// Both of the same generator.
  bool operator==(const RandomState& other) const {
    if (packed_.defined()) return packed_.equal(other.packed_);
    const auto a = engine_.data(), b = other.engine_.data();
    return a.seed_ == b.seed_ && a.left_ == b.left_ && a.next_ == b.next_ && a.state_ == b.state_ &&
           next_float_ == other.next_float_ && next_double_ == other.next_double_;
  }

 private:
  at::mt19937 engine_;
  std::optional<float> next_float_;
  std::optional<double> next_double_;
  at::Tensor packed_;
};

/// The state of a device's default generator, packed into bytes.
inline at::Tensor random_state_of(c10::Device device) {
  at::Generator generator = at::globalContext().defaultGenerator(device);
  const std::lock_guard<std::mutex> lock(generator.mutex());
  return generator.get_state();
}

}  // namespace retort
