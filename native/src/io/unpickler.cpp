#include "io/unpickler.h"

#include <ATen/core/Dict.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "tensor/check.h"

namespace retort {
namespace {

bool is_big_endian(const std::string& order) {
  RETORT_CHECK(order == "little" || order == "big", "byteorder must be little or big (got ", order, ")");
  return order == "big";
}

/// Reverses the bytes of each number.
void swap_bytes(char* bytes, size_t size, at::ScalarType type) {
  const size_t width = at::isComplexType(type) ? c10::elementSize(type) / 2 : c10::elementSize(type);
  for (size_t begin = 0; begin + width <= size; begin += width) std::reverse(bytes + begin, bytes + begin + width);
}

/// The type of, say, a torch.FloatStorage.
at::ScalarType type_of(const std::string& storage) {
  for (int i = 0; i < static_cast<int>(at::ScalarType::Undefined); ++i) {
    const auto type = static_cast<at::ScalarType>(i);
    if (storage == c10::str("torch.", type, "Storage")) return type;
  }
  fail("unknown storage ", storage);
}

std::vector<int64_t> sizes_of(const c10::IValue& tuple) {
  std::vector<int64_t> sizes;
  for (const c10::IValue& size : tuple.toTupleRef().elements()) sizes.push_back(size.toInt());
  return sizes;
}

}  // namespace

Unpickler::Unpickler(const ArchiveFile& archive)
    : archive_(archive),
      // Files of the time before the record are of little-endian machines.
      is_big_endian_(archive_.hasRecord("byteorder") && is_big_endian(record("byteorder"))),
      pickle_(record("data.pkl")) {}

std::string Unpickler::record(const std::string& name) {
  if (!archive_.hasRecord(name)) return {};
  const auto [data, size] = archive_.getRecord(name);
  return {static_cast<const char*>(data.get()), size};
}

Unpickler::~Unpickler() {
  for (const c10::IValue& container : containers_) {
    if (container.isTuple()) {
      container.toTuple()->setElements(Values{});
    } else {
      container.toGenericDict().clear();
    }
  }
}

c10::IValue Unpickler::load() {
  while (true) {
    const auto code = static_cast<unsigned char>(read_bytes(1)[0]);
    if (code == '.') return pop();
    execute(code);
  }
}

template <typename T>
T Unpickler::read() {
  T value;
  std::memcpy(&value, read_bytes(sizeof value).data(), sizeof value);
  return value;
}

void Unpickler::execute(unsigned char code) {
  switch (code) {
    case 0x80:  // PROTO
      read_bytes(1);
      break;
    case '(':  // MARK
      marks_.push_back(stack_.size());
      break;
    case 'N':
      push({});
      break;
    case 0x88:
      push(true);
      break;
    case 0x89:
      push(false);
      break;
    case 'K':
      push(static_cast<int64_t>(read<uint8_t>()));
      break;
    case 'M':
      push(static_cast<int64_t>(read<uint16_t>()));
      break;
    case 'J':
      push(static_cast<int64_t>(read<int32_t>()));
      break;
    case 0x8a:  // LONG1
      push(read_long());
      break;
    case 'G':  // BINFLOAT
      push(read_double());
      break;
    case 'X':  // BINUNICODE
      push(read_bytes(read<uint32_t>()));
      break;
    case 0x8c:  // SHORT_BINUNICODE
      push(read_bytes(read<uint8_t>()));
      break;
    case 'c': {  // GLOBAL, kept as its name
      std::string name = read_line();
      name += "." + read_line();
      push(std::move(name));
      break;
    }
    case ']':
    case ')':
      push(new_tuple({}));
      break;
    case '}':
      push(new_dict());
      break;
    case 't':
      push(new_tuple(pop_to_mark()));
      break;
    case 0x85:
    case 0x86:
    case 0x87:
      push(new_tuple(pop_last(code - 0x84u)));
      break;
    case 'e':  // APPENDS; lists are of no use here
      pop_to_mark();
      break;
    case 'a':  // APPEND
    case 'b':  // BUILD: state_dict's _metadata
      pop();
      break;
    case 's':
      set_items(pop_last(2));
      break;
    case 'u':
      set_items(pop_to_mark());
      break;
    case 'q':
      memo_[read<uint8_t>()] = top();
      break;
    case 'r':
      memo_[read<uint32_t>()] = top();
      break;
    case 'h':
      push(memo_.at(read<uint8_t>()));
      break;
    case 'j':
      push(memo_.at(read<uint32_t>()));
      break;
    case 'Q':  // BINPERSID: the description of a storage stands for the storage
      break;
    case 'R': {
      const Values call = pop_last(2);
      push(reduce(call[0].toStringRef(), call[1].toTupleRef().elements().vec()));
      break;
    }
    case 0x81: {  // NEWOBJ
      pop_last(2);
      push({});
      break;
    }
    default:
      fail("unknown opcode ", static_cast<int>(code));
  }
}

c10::IValue Unpickler::reduce(const std::string& function, const Values& arguments) {
  if (function == "collections.OrderedDict") return new_dict();
  if (function == "torch._utils._rebuild_parameter") return arguments.at(0);
  if (function != "torch._utils._rebuild_tensor_v2") return {};
  const at::Tensor whole = storage(arguments.at(0).toTupleRef().elements().vec());
  const at::Tensor tensor =
      whole.as_strided(sizes_of(arguments.at(2)), sizes_of(arguments.at(3)), arguments.at(1).toInt());
  // A copy of its own for a part, which would keep the whole in memory.
  return tensor.numel() == whole.numel() && tensor.is_non_overlapping_and_dense() ? tensor : tensor.clone();
}

at::Tensor Unpickler::storage(const Values& description) {
  const at::ScalarType type = type_of(description.at(1).toStringRef());
  auto [bytes, size] = archive_.getRecord("data/" + description.at(2).toStringRef());
  if (is_big_endian_) swap_bytes(static_cast<char*>(bytes.get()), size, type);
  const auto elements = static_cast<int64_t>(size / c10::elementSize(type));
  auto data = std::make_shared<at::DataPtr>(std::move(bytes));
  return at::from_blob(
      data->get(), {elements}, [data](void*) {}, at::TensorOptions(type));
}

c10::IValue Unpickler::new_dict() {
  return containers_.emplace_back(c10::impl::GenericDict(c10::AnyType::get(), c10::AnyType::get()));
}

c10::IValue Unpickler::new_tuple(Values values) {
  return containers_.emplace_back(c10::ivalue::Tuple::create(std::move(values)));
}

void Unpickler::set_items(const Values& items) {
  if (!top().isGenericDict()) return;
  auto dict = top().toGenericDict();
  for (size_t i = 0; i + 1 < items.size(); i += 2) {
    if (items[i].isString()) dict.insert_or_assign(items[i], items[i + 1]);
  }
}

const c10::IValue& Unpickler::top() const {
  RETORT_CHECK(!stack_.empty(), "stack must not be empty");
  return stack_.back();
}

Unpickler::Values Unpickler::pop_last(size_t count) {
  RETORT_CHECK(stack_.size() >= count, "stack must not be empty");
  Values values(stack_.end() - static_cast<std::ptrdiff_t>(count), stack_.end());
  stack_.resize(stack_.size() - count);
  return values;
}

Unpickler::Values Unpickler::pop_to_mark() {
  RETORT_CHECK(!marks_.empty() && marks_.back() <= stack_.size(), "mark must be there");
  const size_t mark = marks_.back();
  marks_.pop_back();
  return pop_last(stack_.size() - mark);
}

std::string Unpickler::read_bytes(size_t count) {
  RETORT_CHECK(count <= pickle_.size() - position_, "pickle must not end here");
  std::string bytes = pickle_.substr(position_, count);
  position_ += count;
  return bytes;
}

std::string Unpickler::read_line() {
  const size_t end = pickle_.find('\n', position_);
  RETORT_CHECK(end != std::string::npos, "pickle must not end here");
  std::string line = read_bytes(end - position_);
  read_bytes(1);
  return line;
}

int64_t Unpickler::read_long() {
  const std::string bytes = read_bytes(read<uint8_t>());
  RETORT_CHECK(bytes.size() <= sizeof(int64_t), "numbers must be of 64 bits");
  // Little endian, two's complement: the last byte's sign is extended.
  int64_t value = !bytes.empty() && (bytes.back() & 0x80) ? -1 : 0;
  std::memcpy(&value, bytes.data(), bytes.size());
  return value;
}

double Unpickler::read_double() {
  uint64_t bits = 0;
  for (char byte : read_bytes(sizeof bits)) bits = bits << 8 | static_cast<unsigned char>(byte);
  double value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

}  // namespace retort
