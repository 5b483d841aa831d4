#include "util/state_dict_file.h"

#include <ATen/core/Dict.h>
#include <caffe2/serialize/inline_container.h>
#include <fcntl.h>
#include <torch/csrc/jit/serialization/pickler.h>
#include <torch/csrc/jit/serialization/pickler_helper.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "util/check.h"

namespace retort {
namespace {

/// The bytes of torch.save's zip archive. `pickle_save` would do, were it not for the type tags it adds to a dict,
/// which `weights_only=True` refuses.
std::string to_archive(const torch::OrderedDict<std::string, at::Tensor>& tensors) {
  c10::Dict<std::string, at::Tensor> dict;
  for (const auto& entry : tensors) dict.insert(entry.key(), entry.value().detach());

  std::string pickled;
  torch::jit::Pickler pickler(
      [&pickled](const char* bytes, size_t size) { pickled.append(bytes, size); }, nullptr, nullptr, nullptr, nullptr,
      /*tag_aggregates=*/false);
  pickler.protocol();
  pickler.pushIValue(dict);
  pickler.stop();

  std::string archive;
  caffe2::serialize::PyTorchStreamWriter writer([&archive](const void* bytes, size_t size) {
    archive.append(static_cast<const char*>(bytes), size);
    return size;
  });
  writer.writeRecord("data.pkl", pickled.data(), pickled.size());
  const std::string byte_order = "little";
  writer.writeRecord("byteorder", byte_order.data(), byte_order.size());
  size_t index = 0;
  for (const at::Tensor& tensor : pickler.tensorData()) {
    const auto data = torch::jit::getWriteableTensorData(tensor);
    writer.writeRecord("data/" + std::to_string(index++), data.data(), data.sizeInBytes());
  }
  writer.writeEndOfFile();
  return archive;
}

/// A file under a temporary name beside its final one, which it takes when it is complete.
class WholeFile {
 public:
  explicit WholeFile(const std::string& path) : path_(path) {
    static std::atomic<int64_t> count{0};
    temporary_ = path + "." + std::to_string(::getpid()) + "-" + std::to_string(count++) + ".tmp";
    descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor_ < 0) give_up();
  }

  ~WholeFile() {
    if (descriptor_ < 0) return;
    ::close(descriptor_);
    ::unlink(temporary_.c_str());
  }

  WholeFile(const WholeFile&) = delete;
  WholeFile& operator=(const WholeFile&) = delete;

  void write(const std::string& bytes) {
    size_t written = 0;
    while (written < bytes.size()) {
      const ssize_t count = ::write(descriptor_, bytes.data() + written, bytes.size() - written);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) give_up();
      written += static_cast<size_t>(count);
    }
  }

  void commit() {
    if (::fsync(descriptor_) != 0) give_up();
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) give_up();
    ::close(std::exchange(descriptor_, -1));
  }

 private:
  [[noreturn]] void give_up() const {
    fail("write_state_dict: path must be a file that can be written (got ", path_, ": ", std::strerror(errno), ")");
  }

  std::string path_;
  std::string temporary_;
  int descriptor_ = -1;
};

}  // namespace

void write_state_dict(const torch::OrderedDict<std::string, at::Tensor>& tensors, const std::string& path) {
  WholeFile file(path);
  file.write(to_archive(tensors));
  file.commit();
}

}  // namespace retort
