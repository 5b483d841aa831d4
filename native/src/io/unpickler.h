#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>
#include <caffe2/serialize/inline_container.h>

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "io/archive_file.h"

namespace retort {

/// Interprets the pickle of a torch.save archive. LibTorch's own unpickler can't: it takes every OrderedDict, and so
/// every `model.state_dict()`, for the hooks of a tensor. Nothing in the archive is executed: of Python's classes only
/// tensors and dicts are known, anything else becomes None.
class Unpickler {
 public:
  /// @throws c10::Error if it is not such an archive, as load()
  explicit Unpickler(const ArchiveFile& archive);
  /// Empties every container, whatever they hold: taking apart a deep nest from its outside would exhaust the stack.
  ~Unpickler();
  Unpickler(const Unpickler&) = delete;
  Unpickler& operator=(const Unpickler&) = delete;

  /// The bytes of another record; none if there is no such record.
  std::string record(const std::string& name);
  /// The value is whole for as long as the unpickler lives.
  c10::IValue load();

 private:
  using Values = std::vector<c10::IValue>;

  void execute(unsigned char code);
  /// Calls what a state dict needs; anything else becomes None.
  c10::IValue reduce(const std::string& function, const Values& arguments);
  /// A whole storage, described as ("storage", type, key, location, elements).
  at::Tensor storage(const Values& description);

  c10::IValue new_dict();
  c10::IValue new_tuple(Values values);
  void set_items(const Values& items);

  void push(c10::IValue value) { stack_.push_back(std::move(value)); }
  const c10::IValue& top() const;
  c10::IValue pop() { return std::move(pop_last(1)[0]); }
  Values pop_last(size_t count);
  Values pop_to_mark();

  std::string read_bytes(size_t count);
  template <typename T>
  T read();
  std::string read_line();
  int64_t read_long();
  double read_double();

  caffe2::serialize::PyTorchStreamReader archive_;
  /// Whether the archive's storages have their most significant bytes first.
  bool is_big_endian_;
  std::string pickle_;
  size_t position_ = 0;
  Values stack_;
  Values containers_;
  std::vector<size_t> marks_;
  std::unordered_map<uint32_t, c10::IValue> memo_;
};

}  // namespace retort
