// Any arguments of a public operator, and of its backward, compute or are a user error.
#include <ATen/Functions.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <fuzzer/FuzzedDataProvider.h>
#include <retort/retort.h>
#include <torch/types.h>

#include <cstddef>
#include <cstdint>
#include <limits>

#include "harness.h"

namespace retort::fuzz {
namespace {

std::vector<c10::OperatorHandle> public_operators() {
  const std::string begin = "retort::";
  std::vector<c10::OperatorHandle> operators;
  for (const c10::OperatorName& name : c10::Dispatcher::singleton().getAllOpNames()) {
    if (name.name.rfind(begin, 0) != 0 || name.name.at(begin.size()) == '_') continue;
    operators.push_back(c10::Dispatcher::singleton().findSchemaOrThrow(name.name.c_str(), name.overload_name.c_str()));
  }
  return operators;
}

/// Makes values of the types of arguments from the fuzzer's bytes.
class Arguments {
 public:
  explicit Arguments(FuzzedDataProvider& bytes) : bytes_(bytes) {
    for (int64_t& size : sizes_) size = bytes_.ConsumeIntegralInRange<int64_t>(0, 9);
  }

  c10::IValue of(const c10::Argument& argument) {
    if (argument.default_value() && bytes_.ConsumeBool()) return *argument.default_value();
    return of(*argument.type());
  }

 private:
  c10::IValue of(const c10::Type& type) {
    switch (type.kind()) {
      case c10::TypeKind::TensorType:
        return tensor();
      case c10::TypeKind::IntType:
        return integer();
      case c10::TypeKind::FloatType:
        return real();
      case c10::TypeKind::BoolType:
        return bytes_.ConsumeBool();
      case c10::TypeKind::StringType:
        return bytes_.ConsumeRandomLengthString(12);
      case c10::TypeKind::OptionalType:
        return bytes_.ConsumeBool() ? c10::IValue() : of(*type.containedType(0));
      case c10::TypeKind::ListType:
        return list(type.containedType(0));
      default:
        return {};
    }
  }

  c10::IValue list(const c10::TypePtr& type) {
    c10::impl::GenericList values(type);
    for (size_t i = bytes_.ConsumeIntegralInRange<size_t>(0, 4); i > 0; --i) values.push_back(of(*type));
    return values;
  }

  int64_t integer() {
    if (bytes_.ConsumeIntegralInRange(0, 7) == 0) return bytes_.ConsumeIntegral<int64_t>();
    return bytes_.ConsumeIntegralInRange<int64_t>(-1, 9);
  }

  double real() {
    constexpr double kSpecial[] = {
        0, -1, 1e-300, 1e300, std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()};
    return bytes_.ConsumeBool() ? bytes_.ConsumeFloatingPointInRange(0.0, 8.0) : bytes_.PickValueInArray(kSpecial);
  }

  /// Sizes come from a few, so that those of several tensors fit each other.
  at::Tensor tensor() {
    constexpr at::ScalarType kTypes[] = {at::kFloat,    at::kFloat, at::kFloat, at::kDouble,
                                         at::kBFloat16, at::kHalf,  at::kLong,  at::kLong,
                                         at::kInt,      at::kBool,  at::kByte,  at::kComplexFloat};
    const at::ScalarType type = bytes_.PickValueInArray(kTypes);
    std::vector<int64_t> shape(bytes_.ConsumeIntegralInRange<size_t>(0, 5));
    for (int64_t& size : shape) size = bytes_.PickValueInArray(sizes_);
    at::Tensor tensor = filled(shape).to(type);
    if (at::isFloatingType(type) && bytes_.ConsumeBool()) tensor.requires_grad_();
    return laid_out(tensor);
  }

  at::Tensor filled(const std::vector<int64_t>& shape) {
    switch (bytes_.ConsumeIntegralInRange(0, 5)) {
      case 0:
        return at::zeros(shape);
      case 1:
        return at::full(shape, real(), at::kDouble);
      case 2:
        return at::ones(shape);
      case 3:
        return at::randn(shape);
      default: {
        const at::Tensor tensor = at::zeros(shape);
        return at::arange(tensor.numel()).view(shape).remainder(1 + bytes_.ConsumeIntegralInRange(0, 9));
      }
    }
  }

  at::Tensor laid_out(const at::Tensor& tensor) {
    switch (bytes_.ConsumeIntegralInRange(0, 5)) {
      case 0:
        return tensor.dim() == 4 ? tensor.contiguous(at::MemoryFormat::ChannelsLast) : tensor;
      case 1:
        return tensor.dim() > 1 ? tensor.transpose(0, 1) : tensor;
      case 2:
        return tensor.dim() > 0 && tensor.size(0) > 0 ? tensor.select(0, 0).unsqueeze(0).expand_as(tensor) : tensor;
      case 3:
        return tensor.dim() > 0 && tensor.size(-1) > 1 ? tensor.slice(-1, 1) : tensor;
      default:
        return tensor;
    }
  }

  FuzzedDataProvider& bytes_;
  int64_t sizes_[4];
};

void differentiate(const c10::IValue& result) {
  if (result.isTensorList()) {
    for (const at::Tensor& tensor : result.toTensorVector()) differentiate(tensor);
    return;
  }
  if (!result.isTensor() || !result.toTensor().requires_grad()) return;
  result.toTensor().sum().backward();
}

void call(FuzzedDataProvider& bytes) {
  static const std::vector<c10::OperatorHandle> operators = public_operators();
  const c10::OperatorHandle& chosen = operators.at(bytes.ConsumeIntegralInRange<size_t>(0, operators.size() - 1));
  Arguments arguments(bytes);
  torch::jit::Stack stack;
  for (const c10::Argument& argument : chosen.schema().arguments()) stack.push_back(arguments.of(argument));
  succeeds_or_refuses([&] {
    chosen.callBoxed(stack);
    for (const c10::IValue& result : stack) differentiate(result);
  });
}

}  // namespace
}  // namespace retort::fuzz

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  retort::set_threads(2);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  retort::manual_seed(1);
  FuzzedDataProvider bytes(data, size);
  retort::fuzz::call(bytes);
  return 0;
}
