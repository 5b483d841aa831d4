#include "models/torchscript/attributes.h"

#include <ATen/core/Dict.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/jit/serialization/pickle.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <utility>

#include "io/checksum.h"
#include "tensor/check.h"
#include "tensor/remember.h"

namespace retort {
namespace {

constexpr const char* kUnpack = "Network.unpack_attributes";

/// Whether values of a type are plain data, which can be pickled and read without the program's classes.
bool is_plain(const c10::TypePtr& type) {
  switch (type->kind()) {
    case c10::TypeKind::NoneType:
    case c10::TypeKind::BoolType:
    case c10::TypeKind::IntType:
    case c10::TypeKind::FloatType:
    case c10::TypeKind::StringType:
    case c10::TypeKind::TensorType:
      return true;
    case c10::TypeKind::TupleType:
      if (type->expectRef<c10::TupleType>().schema()) return false;  // a named tuple is a class
      [[fallthrough]];
    case c10::TypeKind::OptionalType:
    case c10::TypeKind::ListType:
    case c10::TypeKind::DictType: {
      const auto parts = type->containedTypes();
      return std::all_of(parts.begin(), parts.end(), is_plain);
    }
    default:
      return false;
  }
}

/// Of what can change in place, a value of its own; but tensors stay the same ones.
c10::IValue copy_of(const c10::IValue& value) {
  return value.isList() || value.isGenericDict() ? value.deepcopy() : value;
}

/// LibTorch's reader of pickles trusts what it reads, hence a checksum at the end.
std::string write(const c10::impl::GenericDict& values) {
  const std::vector<char> pickled = torch::jit::pickle_save(values);
  const uint64_t sum = checksum({pickled.data(), pickled.size()});
  return std::string(pickled.begin(), pickled.end()).append(reinterpret_cast<const char*>(&sum), sizeof sum);
}

std::map<std::string, c10::IValue> read(const std::string& bytes) {
  uint64_t sum = 0;
  const size_t size = bytes.size() - std::min(bytes.size(), sizeof sum);
  bytes.copy(reinterpret_cast<char*>(&sum), sizeof sum, size);
  RETORT_CHECK(
      sum == checksum({bytes.data(), size}), kUnpack, ": bytes must be those of packed_attributes (got ", bytes.size(),
      " others)");
  std::map<std::string, c10::IValue> values;
  for (const auto& entry : torch::jit::pickle_load({bytes.data(), bytes.data() + size}).toGenericDict()) {
    values.emplace(entry.key().toStringRef(), entry.value());
  }
  return values;
}

}  // namespace

Attributes::Attributes(const torch::jit::Module& program) {
  for (const auto& [path, module] : program.named_modules()) {
    const auto& type = module.type();
    for (size_t slot = 0; slot < type->numAttributes(); ++slot) {
      const std::string& name = type->getAttributeName(slot);
      const c10::TypePtr& declared = type->getAttribute(slot);
      if (type->is_parameter(slot) || declared->is_module() || name == "training") continue;
      // As Network has it: an optional tensor is no buffer.
      const bool is_buffer = type->is_buffer(slot) && declared->isSubtypeOf(*c10::TensorType::get());
      attributes_.push_back(
          {module._ivalue(), slot, path.empty() ? name : path + "." + name, declared, is_buffer,
           !is_buffer && is_plain(declared)});
    }
  }
}

void Attributes::save(Values& values) const {
  const at::NoGradGuard no_grad;
  values.values.resize(attributes_.size());
  values.contents.resize(attributes_.size());
  for (size_t i = 0; i < attributes_.size(); ++i) {
    const c10::IValue& value = attributes_[i].value();
    values.values[i] = copy_of(value);
    // The contents of buffers are kept with the network's others.
    if (!attributes_[i].is_buffer && value.isTensor() && value.toTensor().defined()) {
      remember(values.contents[i], value.toTensor());
    } else {
      values.contents[i].reset();
    }
  }
}

void Attributes::restore(const Values& values) {
  const at::NoGradGuard no_grad;
  for (size_t i = 0; i < values.values.size(); ++i) {
    const c10::IValue& value = values.values[i];
    if (values.contents[i].defined()) value.toTensor().detach().copy_(values.contents[i]);
    attributes_[i].assign(copy_of(value));
  }
}

std::string Attributes::pack() const {
  c10::impl::GenericDict values(c10::StringType::get(), c10::AnyType::get());
  for (const Attribute& attribute : attributes_) {
    if (attribute.is_packed) values.insert(attribute.name, attribute.value());
  }
  return values.empty() ? std::string() : write(values);
}

std::function<void()> Attributes::unpack(const std::string& bytes) {
  auto values = bytes.empty() ? std::map<std::string, c10::IValue>() : read(bytes);
  size_t count = 0;
  for (const Attribute& attribute : attributes_) {
    if (!attribute.is_packed) continue;
    const auto found = values.find(attribute.name);
    RETORT_CHECK(found != values.end(), kUnpack, ": bytes must hold the attribute ", attribute.name, " (got none)");
    RETORT_CHECK(
        found->second.type()->isSubtypeOf(*attribute.type), kUnpack, ": ", attribute.name, " must be of type ",
        attribute.type->str(), " (got ", found->second.type()->str(), ")");
    ++count;
  }
  RETORT_CHECK(
      values.size() == count, kUnpack, ": bytes must hold the network's ", count, " attributes only (got ",
      values.size(), ")");
  return [this, values = std::move(values)] {
    for (Attribute& attribute : attributes_) {
      if (attribute.is_packed) attribute.assign(values.at(attribute.name));
    }
  };
}

}  // namespace retort
