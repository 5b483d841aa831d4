// Convolutions of frozen networks: packed weights, and what follows the convolution in one pass with it.
#include <ATen/ops/empty.h>
#include <torch/library.h>

#include "convolution/checks.h"
#include "convolution/conv3x3.h"
#include "tensor/operators.h"

namespace retort {
namespace {

/// What packed weights have for each filter and channel; the columns of matrices come in panels.
c10::SymInt numbers_of(const c10::SymInt& filters) {
  constexpr int64_t points = 36;
  constexpr int64_t panel = 16;
  const c10::SymInt columns = (filters + (panel - 1)) / panel * panel;
  return (columns * points + filters - 1) / filters;
}

void check_float_on_cpu(const char* function, const char* argument, const at::Tensor& tensor) {
  RETORT_CHECK_AS(
      ShapeError, tensor.scalar_type() == at::kFloat, function, ": ", argument, " must be float32 (got ",
      tensor.scalar_type(), ")");
  RETORT_CHECK_AS(
      ShapeError, tensor.layout() == at::kStrided && (tensor.device().is_cpu() || tensor.is_meta()), function, ": ",
      argument, " must be dense and on the CPU (got ", tensor.layout(), " on ", tensor.device(), ")");
}

void check_weight_to_pack(const at::Tensor& weight) {
  check_weight("conv3x3_pack", weight);
  check_float_on_cpu("conv3x3_pack", "weight", weight);
  RETORT_CHECK_AS(
      ShapeError, weight.sym_numel() > 0, "conv3x3_pack: weight must not be empty (got ", weight.sym_sizes(), ")");
}

struct Arguments {
  const at::Tensor& input;
  const at::Tensor& packed;
  const std::optional<at::Tensor>& scale;
  const std::optional<at::Tensor>& shift;
  const std::optional<at::Tensor>& residual;
};

void check(const Arguments& all) {
  constexpr auto function = "conv3x3_frozen";
  check_images(function, all.input);
  check_float_on_cpu(function, "input", all.input);
  RETORT_CHECK_AS(
      ShapeError,
      all.packed.defined() && all.packed.dim() == 3 && all.packed.is_contiguous() && all.packed.sym_size(0) > 0 &&
          all.packed.sym_size(2) == numbers_of(all.packed.sym_size(0)),
      function, ": packed must be what conv3x3_pack returned (got ",
      all.packed.defined() ? c10::str(all.packed.sym_sizes()) : "an undefined tensor", ")");
  const c10::SymInt filters = all.packed.sym_size(0);
  RETORT_CHECK_AS(
      ShapeError, all.input.sym_size(1) == all.packed.sym_size(1), function,
      ": input and packed must have the same number of channels (got ", all.input.sym_size(1), " and ",
      all.packed.sym_size(1), ")");
  check_of_filters(function, "scale", all.scale, filters);
  check_of_filters(function, "shift", all.shift, filters);
  const std::vector<c10::SymInt> shape = {all.input.sym_size(0), filters, all.input.sym_size(2), all.input.sym_size(3)};
  RETORT_CHECK_AS(
      ShapeError, !is_given(all.residual) || all.residual->sym_sizes() == c10::SymIntArrayRef(shape), function,
      ": residual must be of shape ", c10::SymIntArrayRef(shape), " (got ", all.residual->sym_sizes(), ")");
  check_like_input(function, "packed", all.input, all.packed);
  check_like_input(function, "scale", all.input, all.scale);
  check_like_input(function, "shift", all.input, all.shift);
  check_like_input(function, "residual", all.input, all.residual);
}

std::optional<at::Tensor> contiguous(
    const std::optional<at::Tensor>& tensor, at::MemoryFormat format = at::MemoryFormat::Contiguous) {
  return is_given(tensor) ? std::optional<at::Tensor>(tensor->contiguous(format)) : std::nullopt;
}

at::Tensor pack(const at::Tensor& weight) {
  check_weight_to_pack(weight);
  static const auto op = find_operator<at::Tensor(const at::Tensor&, bool)>("retort::_winograd_pack");
  return op.call(weight.is_contiguous(kLast) ? weight : weight.contiguous(), false);
}

at::Tensor frozen(
    const at::Tensor& input, const at::Tensor& packed, const std::optional<at::Tensor>& scale,
    const std::optional<at::Tensor>& shift, const std::optional<at::Tensor>& residual, bool relu) {
  check({input, packed, scale, shift, residual});
  static const auto op = find_operator<decltype(frozen)>("retort::_winograd_apply");
  return op.call(
      input.contiguous(kLast), packed, contiguous(scale), contiguous(shift), contiguous(residual, kLast), relu);
}

at::Tensor meta_pack(const at::Tensor& weight) {
  check_weight_to_pack(weight);
  const c10::SymInt filters = weight.sym_size(0);
  return at::empty_symint({filters, weight.sym_size(1), numbers_of(filters)}, weight.options());
}

at::Tensor meta_frozen(
    const at::Tensor& input, const at::Tensor& packed, const std::optional<at::Tensor>& scale,
    const std::optional<at::Tensor>& shift, const std::optional<at::Tensor>& residual, bool /*relu*/) {
  check({input, packed, scale, shift, residual});
  return at::empty_symint(
      {input.sym_size(0), packed.sym_size(0), input.sym_size(2), input.sym_size(3)}, input.options(), kLast);
}

}  // namespace

at::Tensor pack_conv3x3(const at::Tensor& weight) {
  static const auto op = find_operator<decltype(pack)>("retort::_conv3x3_pack");
  return op.call(weight);
}

at::Tensor frozen_conv3x3(const at::Tensor& input, const at::Tensor& packed, const Conv3x3Epilogue& epilogue) {
  static const auto op = find_operator<decltype(frozen)>("retort::_conv3x3_frozen");
  return op.call(input, packed, epilogue.scale, epilogue.shift, epilogue.residual, epilogue.relu);
}

TORCH_LIBRARY_FRAGMENT(retort, m) {
  m.def("_conv3x3_pack(Tensor weight) -> Tensor");
  m.def(
      "_conv3x3_frozen(Tensor input, Tensor packed, Tensor? scale, Tensor? shift, Tensor? residual, bool relu) "
      "-> Tensor");
}

TORCH_LIBRARY_IMPL(retort, CPU, m) {
  m.impl("_conv3x3_pack", &pack);
  m.impl("_conv3x3_frozen", &frozen);
}

TORCH_LIBRARY_IMPL(retort, Meta, m) {
  m.impl("_conv3x3_pack", &meta_pack);
  m.impl("_conv3x3_frozen", &meta_frozen);
}

}  // namespace retort
