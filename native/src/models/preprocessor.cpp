#include "models/preprocessor.h"

#include <ATen/Dispatch.h>
#include <ATen/OpMathType.h>
#include <ATen/Parallel.h>
#include <ATen/TensorIterator.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/upsample_bilinear2d.h>

#include <algorithm>
#include <utility>

#include "io/description.h"
#include "tensor/check.h"
#include "tensor/for_autograd.h"

namespace retort {
namespace {

constexpr double kByte = 255;

/// to = scale * from + shift for one image's values of one channel, wherever they lie.
template <typename From, typename To, typename Scalar>
void transform(
    const From* from, int64_t from_step, To* to, int64_t to_step, int64_t count, Scalar scale, Scalar shift) {
  const auto one = [=](From value) { return static_cast<To>(static_cast<Scalar>(value) * scale + shift); };
  if (from_step == 1 && to_step == 1) {
    for (int64_t i = 0; i < count; ++i) to[i] = one(from[i]);
  } else {
    for (int64_t i = 0; i < count; ++i) to[i * to_step] = one(from[i * from_step]);
  }
}

/// The same for a batch [B, C, pixels], with a scale and a shift for each channel or one for all.
template <typename From, typename To>
void transform(
    const at::Tensor& from, const at::Tensor& to, const std::vector<double>& scale, const std::vector<double>& shift) {
  using Scalar = at::opmath_type<To>;
  const int64_t grain = at::internal::GRAIN_SIZE / (from.size(1) * from.size(2)) + 1;
  at::parallel_for(0, from.size(0), grain, [&](int64_t begin, int64_t end) {
    for (int64_t sample = begin; sample < end; ++sample) {
      for (int64_t channel = 0; channel < from.size(1); ++channel) {
        const auto own = static_cast<size_t>(scale.size() == 1 ? 0 : channel);
        transform(
            from.const_data_ptr<From>() + sample * from.stride(0) + channel * from.stride(1), from.stride(2),
            to.mutable_data_ptr<To>() + sample * to.stride(0) + channel * to.stride(1), to.stride(2), from.size(2),
            static_cast<Scalar>(scale[own]), static_cast<Scalar>(shift[own]));
      }
    }
  });
}

/// [B, C, pixels]; a view if the pixels are evenly spaced.
at::Tensor with_flat_pixels(const at::Tensor& images) {
  return images.dim() == 2 ? images.unsqueeze(2) : images.flatten(2);
}

/// With the strides of the format, too: images of one channel lie in both formats, and convolutions go by the strides.
at::Tensor in_format(const at::Tensor& images, at::MemoryFormat format) {
  const at::Tensor dense = images.contiguous(format);
  if (dense.dim() != 4 || dense.suggest_memory_format() == format) return dense;
  return format == at::MemoryFormat::Contiguous
             ? dense.as_strided(dense.sizes(), c10::contiguous_strides(dense.sizes()))
             : dense.as_strided(dense.sizes(), c10::get_channels_last_strides_2d(dense.sizes()));
}

bool are_maps(const at::Tensor& images) {
  return images.dim() == 4 && images.layout() == at::kStrided;
}

}  // namespace

Preprocessor::Preprocessor(const char* function, const Preprocessing& options, const std::vector<int64_t>& size)
    : function_(function),
      options_(options),
      image_shape_(options.input_shape),
      normalization_(
          function, options.mean, options.deviation,
          image_shape_.empty() ? static_cast<int64_t>(options.mean.size()) : image_shape_[0]) {
  if (!size.empty() && size != image_shape_) {
    TORCH_INTERNAL_ASSERT(size.size() == 3 && image_shape_.size() == 3 && size[0] == image_shape_[0]);
    size_ = {size[1], size[2]};
  }
  if (!options_.channels_last || image_shape_.empty()) return;
  RETORT_CHECK_AS(
      ShapeError, image_shape_.size() == 3, function_,
      ": input shape must be [channels, height, width] for images with channels last (got ",
      at::IntArrayRef(image_shape_), ")");
  std::rotate(image_shape_.begin(), image_shape_.begin() + 1, image_shape_.end());
}

bool Preprocessor::has_wanted_shape(const at::Tensor& images) const {
  if (!image_shape_.empty()) {
    return images.dim() > 0 && images.sizes().slice(1) == at::IntArrayRef(image_shape_);
  }
  const int64_t channels = options_.channels_last ? 3 : 1;
  return (options_.channels_last ? images.dim() == 4 : images.dim() >= 2) &&
         (options_.mean.size() <= 1 || images.size(channels) == static_cast<int64_t>(options_.mean.size()));
}

std::string Preprocessor::wanted_shape() const {
  if (!image_shape_.empty()) return c10::Join(", ", image_shape_);
  const std::string channels = options_.mean.size() > 1 ? std::to_string(options_.mean.size()) : "channels";
  return options_.channels_last ? "height, width, " + channels : channels + ", ...";
}

void Preprocessor::check(const at::Tensor& images, const at::TensorOptions& like) const {
  RETORT_CHECK_AS(ShapeError, images.defined(), function_, ": images must be given (got an undefined tensor)");
  RETORT_CHECK_AS(
      ShapeError, has_wanted_shape(images), function_, ": images must be of shape [batch, ", wanted_shape(), "] (got ",
      images.sizes(), ")");
  RETORT_CHECK_AS(ShapeError, images.size(0) > 0, function_, ": images must not be empty (got ", images.sizes(), ")");
  RETORT_CHECK_AS(
      ShapeError, images.dtype() == like.dtype() || images.scalar_type() == at::kByte, function_,
      ": images must be of the network's dtype ", like.dtype().toScalarType(), " or bytes (got ", images.scalar_type(),
      ")");
  RETORT_CHECK_AS(
      ShapeError, images.is_cpu() || images.device() == like.device(), function_,
      ": images must be on the network's device ", like.device(), like.device().is_cpu() ? "" : " or the CPU", " (got ",
      images.device(), ")");
  RETORT_CHECK_AS(
      ShapeError, images.layout() == at::kStrided, function_, ": images must be dense (got ", images.layout(), ")");
}

at::Tensor Preprocessor::input_for(
    const at::Tensor& images, const at::TensorOptions& like, at::MemoryFormat of_maps) const {
  if (options_.is_identity() && (!images.defined() || images.scalar_type() != at::kByte)) {
    if (!images.defined()) return images;
    const at::Tensor input = images.to(like.device());
    return are_maps(input) && of_maps != at::MemoryFormat::Contiguous ? in_format(input, of_maps) : input;
  }
  check(images, like);
  return prepare(images.to(like.device()), like, are_maps(images) ? of_maps : at::MemoryFormat::Contiguous);
}

at::Tensor Preprocessor::prepare(
    const at::Tensor& images, const at::TensorOptions& like, at::MemoryFormat format) const {
  const at::Tensor prepared = normalized(images, like, format);
  return size_.empty() ? prepared
                       : in_format(at::upsample_bilinear2d(prepared, size_, /*align_corners=*/false), format);
}

at::Tensor Preprocessor::normalized(
    const at::Tensor& images, const at::TensorOptions& like, at::MemoryFormat format) const {
  const at::Tensor channels_first = options_.channels_last ? images.permute({0, 3, 1, 2}) : images;
  const bool is_bytes = images.scalar_type() == at::kByte;
  if (normalization_.scale.empty() && !is_bytes) {
    const bool is_ready = channels_first.dtype() == like.dtype() && channels_first.device() == like.device() &&
                          channels_first.is_contiguous(format);
    return in_format(is_ready ? for_autograd(channels_first) : channels_first.to(like), format);
  }

  if (!images.is_cpu()) return in_format(transformed_on_device(channels_first).to(like), format);
  const Transformation of_channels = transformation(is_bytes);
  const at::Tensor prepared = at::empty(channels_first.sizes(), like, std::optional<at::MemoryFormat>(format));
  const at::Tensor from = with_flat_pixels(is_bytes ? channels_first : channels_first.to(like));
  const at::Tensor to = with_flat_pixels(prepared);
  AT_DISPATCH_FLOATING_TYPES_AND2(at::kHalf, at::kBFloat16, to.scalar_type(), "prepare_images", [&] {
    is_bytes ? transform<uint8_t, scalar_t>(from, to, of_channels.scale, of_channels.shift)
             : transform<scalar_t, scalar_t>(from, to, of_channels.scale, of_channels.shift);
  });
  return prepared;
}

Preprocessor::Transformation Preprocessor::transformation(bool of_bytes) const {
  const bool is_empty = normalization_.scale.empty();
  Transformation result = {
      is_empty ? std::vector<double>{1} : normalization_.scale,
      is_empty ? std::vector<double>{0} : normalization_.shift};
  if (of_bytes) {
    for (double& factor : result.scale) factor /= kByte;
  }
  return result;
}

at::Tensor Preprocessor::transformed_on_device(const at::Tensor& from) const {
  const bool is_bytes = from.scalar_type() == at::kByte;
  const at::ScalarType dtype = from.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const std::lock_guard<std::mutex> lock(on_devices_mutex_);
  TransformationOnDevice& known = on_devices_[{is_bytes, dtype, from.get_device()}];
  if (!known.scale.defined()) {
    std::vector<int64_t> shape(static_cast<size_t>(from.dim()) - 1, 1);
    shape[0] = -1;
    const Transformation of_channels = transformation(is_bytes);
    const auto on_device = [&](const std::vector<double>& values) {
      return at::tensor(values, from.options().dtype(dtype)).view(shape);
    };
    known = {on_device(of_channels.scale), on_device(of_channels.shift)};
  }
  return from.to(dtype) * known.scale + known.shift;
}

std::string Preprocessing::description() const {
  return describe("images", {{"mean", mean}, {"deviation", deviation}, {"channels_last", channels_last}});
}

}  // namespace retort
