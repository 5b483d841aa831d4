#pragma once

#include <ATen/Dispatch.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <cstdint>
#include <type_traits>

#include "kernels/cuda/channels.h"
#include "kernels/cuda/pooled_maps.h"
#include "kernels/cuda/tensors.h"

namespace retort::kernels::cuda {

template <typename T>
Channels<T> channels_of(const at::Tensor& matrices) {
  T* values;
  if constexpr (std::is_const_v<T>) {
    values = data<std::remove_const_t<T>>(matrices);
  } else {
    values = mutable_data<T>(matrices);
  }
  return {values, matrices.stride(0), matrices.stride(1), matrices.stride(2)};
}

inline ChannelsShape shape_of(const at::Tensor& matrices) {
  return {matrices.size(0), matrices.size(1), matrices.size(2)};
}

/// The channels of two batches of maps as unit vectors, those of `first` before those of `second`, laid out as `first`
/// is.
class UnitChannels {
 public:
  UnitChannels(Stream stream, const PooledMaps& first, const PooledMaps& second)
      : firsts_(first.matrix().size(1)), seconds_(second.matrix().size(1)), channels_last_(first.channels_last()) {
    const at::Tensor& matrix = first.matrix();
    const int64_t positions = matrix.size(2);
    all_ = channels_last_ ? at::empty({matrix.size(0), positions, count()}, matrix.options()).mT()
                          : at::empty({matrix.size(0), count(), positions}, matrix.options());
    norms_ = write(stream, matrix, this->first());
    write(stream, second.matrix(), this->second());
  }

  int64_t firsts() const { return firsts_; }
  int64_t seconds() const { return seconds_; }
  int64_t count() const { return firsts_ + seconds_; }
  bool channels_last() const { return channels_last_; }
  /// [batch, vectors, positions]
  const at::Tensor& all() const { return all_; }
  at::Tensor first() const { return all_.narrow(1, 0, firsts_); }
  at::Tensor second() const { return all_.narrow(1, firsts_, seconds_); }
  /// The lengths of the first maps' channels.
  const at::Tensor& norms() const { return norms_; }

  UnitChannels of_samples(int64_t begin, int64_t count) const {
    UnitChannels some = *this;
    some.all_ = all_.narrow(0, begin, count);
    some.norms_ = norms_.narrow(0, begin, count);
    return some;
  }

 private:
  static at::Tensor write(Stream stream, const at::Tensor& matrix, const at::Tensor& unit) {
    const at::Tensor norms = at::empty({matrix.size(0), matrix.size(1)}, matrix.options().dtype(at::kDouble));
    AT_DISPATCH_FLOATING_TYPES(matrix.scalar_type(), "nst_loss", [&] {
      unit_channels(
          stream, shape_of(matrix), channels_of<const scalar_t>(matrix), channels_of<scalar_t>(unit),
          mutable_data<double>(norms));
    });
    return norms;
  }

  int64_t firsts_;
  int64_t seconds_;
  bool channels_last_;
  at::Tensor all_;
  at::Tensor norms_;
};

}  // namespace retort::kernels::cuda
