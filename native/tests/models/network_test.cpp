#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>
#include <retort/models/network.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <set>
#include <sstream>
#include <thread>

#include "bad_streams.h"
#include "expect.h"
#include "files.h"
#include "io/state_dict_file.h"
#include "models/network_state.h"
#include "networks.h"
#include "python_file.h"
#include "seeded_test.h"
#include "temporary_folder.h"

namespace retort {
namespace {

using test::bytes_of;
using test::close;
using test::copy_of;
using test::error_of;
using test::file_error_of;
using test::NamedTensors;
using test::same_bits;
using test::TinyNetwork;

class NetworkTest : public test::SeededTest {
 protected:
  test::TemporaryFolder folder_;
  // A torch::nn::Module must be owned by a shared_ptr.
  std::shared_ptr<TinyNetwork> owner_ = std::make_shared<TinyNetwork>();
  TinyNetwork& network_ = *owner_;
  at::Tensor images_ = at::randn({4, 3, 6, 6});
};

TEST_F(NetworkTest, StateDictHasParametersAndBuffersInTorchsOrder) {
  const std::vector<std::string> expected = {
      "conv.weight",
      "conv.bias",
      "norm.weight",
      "norm.bias",
      "norm.running_mean",
      "norm.running_var",
      "norm.num_batches_tracked",
      "head.weight",
      "head.bias"};
  const auto state = network_.state_dict();
  EXPECT_EQ(state.keys(), expected);
  for (const auto& entry : state) EXPECT_FALSE(entry.value().requires_grad()) << entry.key();
  EXPECT_EQ(network_.parameter_count(), 4 * 3 * 9 + 4 + 4 + 4 + 5 * 4 + 5);
  // Shares the network's memory.
  at::Tensor(state["head.bias"]).fill_(7);
  EXPECT_EQ(network_.named_parameters()["head.bias"][0].item<float>(), 7);
}

TEST_F(NetworkTest, PredictEvaluatesWithoutGradients) {
  const auto before = copy_of(network_.state_dict());
  ASSERT_TRUE(network_.is_training());
  const at::Tensor logits = network_.predict(images_);
  EXPECT_FALSE(logits.requires_grad());
  EXPECT_TRUE(network_.is_training());
  EXPECT_TRUE(same_bits(network_.state_dict(), before));
  network_.eval();
  EXPECT_TRUE(same_bits(network_.forward(images_).logits, logits));
  EXPECT_TRUE(network_.forward(images_).logits.requires_grad());
  // One image at a time gives the same: nothing depends on the batch.
  EXPECT_TRUE(close(network_.predict(images_.slice(0, 1, 2)), logits.slice(0, 1, 2)));
}

TEST_F(NetworkTest, PredictRestoresTheModeOfEveryPart) {
  const auto parts = network_.named_children();
  for (bool whole : {true, false}) {
    for (bool part : {true, false}) {
      network_.train(whole);
      parts["norm"]->train(part);
      network_.predict(images_);
      EXPECT_EQ(network_.is_training(), whole);
      EXPECT_EQ(parts["norm"]->is_training(), part);
      EXPECT_EQ(parts["conv"]->is_training(), whole);
    }
  }
  // After a failure as well.
  network_.train();
  parts["norm"]->eval();
  network_.halfway = [] { throw std::runtime_error("no"); };
  EXPECT_THROW(network_.predict(images_), std::runtime_error);
  EXPECT_TRUE(network_.is_training());
  EXPECT_FALSE(parts["norm"]->is_training());
}

TEST_F(NetworkTest, PredictInsideInferenceMode) {
  const at::Tensor expected = network_.predict(images_);
  const c10::InferenceMode inference;
  EXPECT_TRUE(same_bits(network_.predict(images_), expected));
}

TEST_F(NetworkTest, AccuracyCountsLabelledImages) {
  const at::Tensor predicted = network_.predict(images_).argmax(1);
  at::Tensor labels = predicted.clone();
  EXPECT_EQ(network_.accuracy(images_, labels), 1.0);
  labels[0] = (predicted[0] + 1) % 5;
  EXPECT_EQ(network_.accuracy(images_, labels), 0.75);
  labels[1] = -1;
  labels[2] = -1;
  EXPECT_EQ(network_.accuracy(images_, labels), 0.5);
}

TEST_F(NetworkTest, AccuracyRejectsLabels) {
  const auto accuracy = [this](const at::Tensor& labels) {
    return error_of([&] { network_.accuracy(images_, labels); });
  };
  EXPECT_EQ(accuracy({}), "Network.accuracy: labels must be given (got an undefined tensor)");
  EXPECT_EQ(accuracy(at::zeros({4})), "Network.accuracy: labels must be int64 (got Float)");
  EXPECT_EQ(accuracy(at::zeros({3}, at::kLong)), "Network.accuracy: labels must be of shape [4] (got [3])");
  EXPECT_EQ(accuracy(at::zeros({4, 1}, at::kLong)), "Network.accuracy: labels must be of shape [4] (got [4, 1])");
  EXPECT_EQ(
      accuracy(at::tensor({0, 5, 0, 0}, at::kLong)), "Network.accuracy: labels must be between -1 and 4 (got 5 at 1)");
  EXPECT_EQ(
      accuracy(at::tensor({0, 0, 0, -2}, at::kLong)),
      "Network.accuracy: labels must be between -1 and 4 (got -2 at 3)");
  EXPECT_EQ(accuracy(at::full({4}, -1, at::kLong)), "Network.accuracy: labels must name at least one class (got none)");
}

TEST_F(NetworkTest, ProbeChangesNothing) {
  const auto owner = std::make_shared<TinyNetwork>(5, /*dropout=*/0.5);
  TinyNetwork& network = *owner;
  network.train();
  network.named_children()["norm"]->eval();
  const auto before = copy_of(network.state_dict());
  const at::Tensor random = test::random_state();
  network.probe({3, 6, 6});
  EXPECT_TRUE(same_bits(network.state_dict(), before));
  EXPECT_TRUE(same_bits(test::random_state(), random));
  EXPECT_TRUE(network.is_training());
  EXPECT_FALSE(network.named_children()["norm"]->is_training());
  EXPECT_EQ(network.classes(), 5);
  EXPECT_EQ(network.tap_shape("map"), (std::vector<int64_t>{4, 6, 6}));
  EXPECT_EQ(network.tap_shape("embedding"), (std::vector<int64_t>{4}));
}

TEST_F(NetworkTest, ProbePutsBackBuffersThatEvaluationMoves) {
  const at::Tensor moved = network_.state_dict()["norm.running_mean"];
  network_.halfway = [&] { moved.add_(1); };
  const at::Tensor before = moved.clone();
  network_.probe({3, 6, 6});
  EXPECT_TRUE(same_bits(moved, before));
  network_.halfway = [&] {
    moved.add_(1);
    throw std::runtime_error("no");
  };
  EXPECT_THROW(network_.probe({3, 6, 6}), std::runtime_error);
  EXPECT_TRUE(same_bits(moved, before));
}

TEST_F(NetworkTest, ProbeRejectsInputShapes) {
  EXPECT_EQ(error_of([&] { network_.probe({}); }), "Network.probe: input shape must have positive sizes (got [])");
  EXPECT_EQ(
      error_of([&] {
        network_.probe({3, 0, 6});
      }),
      "Network.probe: input shape must have positive sizes (got [3, 0, 6])");
}

TEST_F(NetworkTest, RejectsTapsThatDoNotExist) {
  EXPECT_EQ(error_of([&] { network_.tap_index("layer9"); }), "Network: tap must be one of map, embedding (got layer9)");
  EXPECT_EQ(
      error_of([&] { network_.tap_shape("embeding"); }),
      "Network: tap must be one of map, embedding (got embeding, did you mean embedding?)");
  EXPECT_EQ(
      error_of([&] { network_.tap_shape("map"); }), "Network: shapes must be known, call probe first (got tap map)");
}

TEST_F(NetworkTest, RejectsOutputs) {
  const auto forward = [this](const std::function<void(NetworkOutput&)>& change) {
    network_.at_end = change;
    return error_of([&] { network_.forward(images_); });
  };
  EXPECT_EQ(
      forward([](NetworkOutput& output) { output.logits = at::Tensor(); }),
      "Network.forward: logits must be of shape [4, classes] (got an undefined tensor)");
  EXPECT_EQ(
      forward([](NetworkOutput& output) { output.logits = output.logits.flatten(); }),
      "Network.forward: logits must be of shape [4, classes] (got [20])");
  EXPECT_EQ(
      forward([](NetworkOutput& output) { output.logits = output.logits.t(); }),
      "Network.forward: logits must be of shape [4, classes] (got [5, 4])");
  EXPECT_EQ(
      forward([](NetworkOutput& output) { output.features.pop_back(); }),
      "Network.forward: features must be one for each of 2 taps (got 1)");
  EXPECT_EQ(
      forward([](NetworkOutput& output) { output.features[1] = at::Tensor(); }),
      "Network.forward: feature 'embedding' must have the batch of 4 first (got an undefined tensor)");
  EXPECT_EQ(
      forward([](NetworkOutput& output) { output.features[0] = output.features[0][0].slice(0, 1); }),
      "Network.forward: feature 'map' must have the batch of 4 first (got [3, 6, 6])");
  EXPECT_EQ(
      error_of([&] { network_.forward({}); }),
      "Network.forward: images must have a batch dimension (got an undefined tensor)");
  EXPECT_EQ(
      error_of([&] { network_.forward(at::zeros({})); }),
      "Network.forward: images must have a batch dimension (got [])");
}

TEST_F(NetworkTest, ConvertsFloatingPointOnly) {
  network_.convert(at::kDouble);
  for (const auto& entry : network_.state_dict()) {
    EXPECT_EQ(entry.value().scalar_type(), entry.key() == "norm.num_batches_tracked" ? at::kLong : at::kDouble);
  }
  EXPECT_EQ(network_.tensor_options().dtype(), at::kDouble);
  EXPECT_EQ(network_.predict(images_.to(at::kDouble)).scalar_type(), at::kDouble);
  EXPECT_TRUE(network_.named_parameters()["head.weight"].requires_grad());
  EXPECT_EQ(error_of([&] { network_.convert(at::kLong); }), "Network.convert: dtype must be floating point (got Long)");
}

TEST_F(NetworkTest, SnapshotAndRestore) {
  const auto snapshot = NetworkState::of(network_).new_snapshot();
  snapshot->take();
  const auto before = copy_of(network_.state_dict());
  network_.forward(images_);
  EXPECT_FALSE(same_bits(network_.state_dict(), before));
  snapshot->restore();
  EXPECT_TRUE(same_bits(network_.state_dict(), before));
}

TEST_F(NetworkTest, RestoresBuffersOfTheFirstForwardPass) {
  at::Tensor late;
  network_.halfway = [&] {
    if (!late.defined()) late = network_.register_buffer("late", at::zeros({1}));
    late.add_(1);
  };
  const auto snapshot = NetworkState::of(network_).new_snapshot();
  network_.probe({3, 6, 6});
  snapshot->take();
  const auto before = copy_of(network_.state_dict());
  network_.forward(images_);
  snapshot->restore();
  EXPECT_TRUE(same_bits(network_.state_dict(), before));
}

TEST_F(NetworkTest, StateDictRoundTrip) {
  network_.forward(images_);
  const std::string path = folder_.file("student.pt");
  network_.save_state_dict(path);
  const auto other = std::make_shared<TinyNetwork>();
  ASSERT_FALSE(same_bits(other->state_dict(), network_.state_dict()));
  other->load_state_dict(path);
  EXPECT_TRUE(same_bits(other->state_dict(), network_.state_dict()));
  EXPECT_TRUE(same_bits(other->predict(images_), network_.predict(images_)));
}

TEST_F(NetworkTest, StateDictRoundTripByStreams) {
  network_.forward(images_);
  const std::string path = folder_.file("student.pt");
  network_.save_state_dict(path);
  std::stringstream stream;
  network_.save_state_dict(stream);
  EXPECT_EQ(stream.str(), bytes_of(path));
  const auto other = std::make_shared<TinyNetwork>();
  other->load_state_dict(stream);
  EXPECT_TRUE(same_bits(other->state_dict(), network_.state_dict()));
}

TEST_F(NetworkTest, LoadRejectsStreamsAndChangesNothing) {
  const auto before = copy_of(network_.state_dict());
  const auto load = [this](const std::string& bytes) {
    return file_error_of([&] {
      std::istringstream stream(bytes);
      network_.load_state_dict(stream);
    });
  };
  const std::string rule = "Network.load_state_dict: file must be a dict of tensors saved by torch.save in its zip ";
  const std::string not_a_dict = rule + "format (got the stream)";
  std::ostringstream saved;
  std::make_shared<TinyNetwork>()->save_state_dict(saved);
  const std::string whole = saved.str();
  for (size_t length : {size_t{0}, size_t{1}, whole.size() / 2, whole.size() - 1}) {
    EXPECT_EQ(load(whole.substr(0, length)), not_a_dict) << length;
  }
  EXPECT_EQ(load(std::string(5000, 'x')), not_a_dict);
  std::ostringstream others;
  std::make_shared<TinyNetwork>(4)->save_state_dict(others);
  EXPECT_EQ(load(others.str()), "Network.load_state_dict: head.weight must be of shape [5, 4] (got [4, 4])");
  test::BreakingBuffer half(whole.substr(0, whole.size() / 2));
  std::istream breaking(&half);
  EXPECT_EQ(
      file_error_of([&] { network_.load_state_dict(breaking, "the upload"); }),
      "Network.load_state_dict: stream must be one that can be read (got the upload)");
  EXPECT_TRUE(same_bits(network_.state_dict(), before));
}

TEST_F(NetworkTest, NobodyWaitsForAStream) {
  test::AskingBuffer slow([this] {
    bool is_free = false;
    std::thread([&] { is_free = std::unique_lock<std::mutex>(network_.mutex(), std::try_to_lock).owns_lock(); }).join();
    return is_free;
  });
  std::ostream stream(&slow);
  network_.save_state_dict(stream);
  EXPECT_FALSE(slow.bytes().empty());
}

TEST_F(NetworkTest, MessagesAreOfOneLine) {
  const std::string missing = folder_.file("odd\nname\x01.pt");
  EXPECT_EQ(
      file_error_of([&] { network_.load_state_dict(missing); }),
      "Network.load_state_dict: path must be an existing file (got " + folder_.file("odd\\nname\\x01.pt") + ")");
}

TEST_F(NetworkTest, LoadConvertsTheDtype) {
  network_.convert(at::kDouble);
  network_.save_state_dict(folder_.file("student.pt"));
  const auto other = std::make_shared<TinyNetwork>();
  other->load_state_dict(folder_.file("student.pt"));
  EXPECT_EQ(other->tensor_options().dtype(), at::kFloat);
  EXPECT_TRUE(same_bits(other->state_dict()["conv.weight"], network_.state_dict()["conv.weight"].to(at::kFloat)));
}

TEST_F(NetworkTest, LoadsWhatPythonSaves) {
  const auto state = copy_of(std::make_shared<TinyNetwork>()->state_dict());
  const std::string path = folder_.file("python.pt");
  test::PythonFile().state_dict(state).save(path);
  network_.load_state_dict(path);
  EXPECT_TRUE(same_bits(network_.state_dict(), state));
}

TEST_F(NetworkTest, LoadsWhatMachinesOfAnyByteOrderSave) {
  const auto state = copy_of(std::make_shared<TinyNetwork>()->state_dict());
  const std::string path = folder_.file("python.pt");
  for (const std::string order : {"little", "big"}) {
    test::PythonFile().byte_order(order).state_dict(state).save(path);
    network_.load_state_dict(path);
    EXPECT_TRUE(same_bits(network_.state_dict(), state)) << order;
  }
  for (const std::string order : {"middle", ""}) {
    test::PythonFile().byte_order(order).state_dict(state).save(path);
    EXPECT_EQ(
        file_error_of([&] { network_.load_state_dict(path); }),
        "Network.load_state_dict: file must be a dict of tensors saved by torch.save in its zip format (got " + path +
            ")");
  }
}

/// Of a storage of six numbers, three by two, written with opcodes that Python chooses for numbers of other sizes.
test::PythonFile& matrix(
    test::PythonFile& file, const std::string& offset, const std::string& three,
    const std::string& strides = "K\x02K\x01") {
  file.global("torch._utils", "_rebuild_tensor_v2").opcodes("(").storage(at::arange(6, at::kFloat));
  file.opcodes(offset + "(" + three + "K\x02t").opcodes("(" + strides + "t");
  return file.opcodes("\x89").global("collections", "OrderedDict").opcodes(")RtR");
}

TEST_F(NetworkTest, LoadsWhatPicklesOfAnyKindHold) {
  const std::string zero("K\0", 2), three("K\x03", 2), key = "\x8c\x01w";
  const auto weight_in = [&](const test::PythonFile& file) {
    file.save(folder_.file("python.pt"));
    const std::string bytes = bytes_of(folder_.file("python.pt"));
    return parse_state_dict("test", bytes, "python.pt")["w"];
  };
  const auto weight_of = [&](const std::string& offset, const std::string& size) {
    test::PythonFile file;
    return weight_in(matrix(file.opcodes("}" + key), offset, size).opcodes("s"));
  };
  const at::Tensor expected = at::arange(6, at::kFloat).view({3, 2});
  // The sizes are BININT1, BININT2 and LONG1, an offset LONG1 of no bytes.
  EXPECT_TRUE(weight_of(zero, three).equal(expected));
  EXPECT_TRUE(weight_of(zero, {"M\x03\0", 3}).equal(expected));
  EXPECT_TRUE(weight_of({"\x8a\0", 2}, {"\x8a\x01\x03"}).equal(expected));
  EXPECT_TRUE(weight_of({"K\x04", 2}, {"K\x01"}).equal(expected.slice(0, 2)));
  // Rows that overlap, and an offset of -1.
  test::PythonFile overlapping;
  EXPECT_TRUE(weight_in(matrix(overlapping.opcodes("}" + key), zero, three, "K\x01K\x01").opcodes("s"))
                  .equal(at::arange(6, at::kFloat).as_strided({3, 2}, {1, 1})));
  EXPECT_THROW(weight_of({"\x8a\x01\xff"}, three), FileError);

  // A parameter outside of a state dict, remembered by LONG_BINPUT, LONG_BINGET and BINGET.
  test::PythonFile file;
  file.opcodes("}").text("other").global("torch._utils", "_rebuild_parameter").opcodes("(");
  matrix(file, zero, three).opcodes({"r\x01\0\0\0q\x02", 7}).opcodes("\x88").global("collections", "OrderedDict");
  file.opcodes(")RtRs" + key).opcodes({"j\x01\0\0\0s", 6});
  EXPECT_TRUE(weight_in(file).equal(expected));
  EXPECT_TRUE(weight_in(file.opcodes(key + "h\x02s")).equal(expected));

  // Keys that are no names, as in an optimiser's state, and a list of one element are of no use.
  test::PythonFile with_numbers;
  with_numbers.opcodes("}K\x05K\x06s" + key);
  EXPECT_TRUE(weight_in(matrix(with_numbers, zero, three).opcodes("s")).equal(expected));
  test::PythonFile with_list;
  with_list.opcodes("}").text("losses").opcodes("]K\x07").opcodes("a").opcodes("s");
  with_list.text("model").opcodes("}" + key);
  EXPECT_TRUE(weight_in(matrix(with_list, zero, three).opcodes("ss")).equal(expected));

  const at::Tensor complex = at::complex(at::arange(4, at::kFloat), at::ones(4));
  test::PythonFile foreign;
  foreign.byte_order("big").opcodes("}" + key).tensor(complex).opcodes("s");
  EXPECT_TRUE(weight_in(foreign).equal(complex));
}

TEST_F(NetworkTest, LoadsFromCheckpoints) {
  for (const std::string key : {"model", "state_dict", "model_state_dict"}) {
    const auto state = copy_of(std::make_shared<TinyNetwork>()->state_dict());
    const std::string path = folder_.file("checkpoint.pt");
    // {"epoch": 3, "lr": 0.5, "losses": [7], "args": Namespace(depth=8), key: state dict}
    test::PythonFile file;
    file.opcodes("}(").text("epoch").number(3);
    file.text("lr").opcodes({"G\x3f\xe0\0\0\0\0\0\0", 9});
    file.text("losses").opcodes("](").number(7).opcodes("e");
    file.text("args").global("argparse", "Namespace").opcodes(")\x81}").text("depth").number(8).opcodes("sb");
    file.text(key).state_dict(state).opcodes("u").save(path);
    network_.load_state_dict(path);
    EXPECT_TRUE(same_bits(network_.state_dict(), state)) << key;
  }
}

TEST_F(NetworkTest, LoadRejectsFilesAndChangesNothing) {
  const auto before = copy_of(network_.state_dict());
  const auto load = [this](const std::string& path) { return file_error_of([&] { network_.load_state_dict(path); }); };
  const auto load_changed = [&](const std::function<void(NamedTensors&)>& change) {
    NamedTensors other = copy_of(std::make_shared<TinyNetwork>()->state_dict());
    change(other);
    test::PythonFile().state_dict(other).save(folder_.file("changed.pt"));
    return load(folder_.file("changed.pt"));
  };
  const std::string changed = folder_.file("changed.pt");

  const std::string missing = folder_.file("missing.pt");
  EXPECT_EQ(load(missing), "Network.load_state_dict: path must be an existing file (got " + missing + ")");
  EXPECT_EQ(
      load(folder_.path()),
      "Network.load_state_dict: path must be an existing file (got " + folder_.path().string() + ")");

  const auto not_a_dict = [](const std::string& path) {
    return "Network.load_state_dict: file must be a dict of tensors saved by torch.save in its zip format (got " +
           path + ")";
  };
  const std::string empty = folder_.write("empty.pt", "");
  EXPECT_EQ(load(empty), not_a_dict(empty));
  const std::string foreign = folder_.write("foreign.pt", std::string(5000, 'x'));
  EXPECT_EQ(load(foreign), not_a_dict(foreign));
  const auto load_file = [&](const test::PythonFile& file) {
    file.save(folder_.file("other.pt"));
    return load(folder_.file("other.pt"));
  };
  const std::string not_a_state_dict = not_a_dict(folder_.file("other.pt"));
  EXPECT_EQ(load_file(test::PythonFile().tensor(at::zeros({2}))), not_a_state_dict);
  EXPECT_EQ(load_file(test::PythonFile().opcodes("](").tensor(at::zeros({2})).opcodes("e")), not_a_state_dict);
  for (const std::string key : {"epoch", "model"}) {
    EXPECT_EQ(load_file(test::PythonFile().opcodes("}").text(key).number(3).opcodes("s")), not_a_state_dict);
  }
  // Programs are not run, and broken ones do no harm: nothing on the stack, nesting without end.
  EXPECT_EQ(load_file(test::PythonFile().global("os", "system").text("false").opcodes("\x85R")), not_a_state_dict);
  EXPECT_EQ(load_file(test::PythonFile().opcodes("tttRRR")), not_a_state_dict);
  EXPECT_EQ(load_file(test::PythonFile().opcodes("N" + std::string(1000000, '\x85'))), not_a_state_dict);
  for (const std::string damaged :
       {"", "q\x01", "\x85", "NN(\x86t", "NK\x01K\x02s", "X\x05\x01\x01\x01text", "ctorch", "\x8a\x09 and a half",
        "h\x01", "?"}) {
    EXPECT_EQ(load_file(test::PythonFile().opcodes(damaged)), not_a_state_dict) << damaged;
  }
  test::PythonFile unknown;
  unknown.opcodes("}").text("w").global("torch._utils", "_rebuild_tensor_v2").opcodes("((").text("storage");
  unknown.global("torch", "QuantumStorage").text("0").text("cpu").number(1).opcodes("tQK\x01))tRs");
  EXPECT_EQ(load_file(unknown), not_a_state_dict);

  // Cut off anywhere, e.g. by a full disk.
  std::make_shared<TinyNetwork>()->save_state_dict(folder_.file("whole.pt"));
  const std::string whole = bytes_of(folder_.file("whole.pt"));
  for (size_t length : {whole.size() / 4, whole.size() / 2, whole.size() - 1}) {
    const std::string cut = folder_.write("cut.pt", {whole.data(), length});
    EXPECT_EQ(load(cut), not_a_dict(cut)) << length << " of " << whole.size();
  }

  EXPECT_EQ(
      load_changed([](NamedTensors& state) { state.erase("norm.running_var"); }),
      "Network.load_state_dict: " + changed + " must have the entry norm.running_var (got none)");
  EXPECT_EQ(
      load_changed([](NamedTensors& state) { state.insert("fc.weight", at::zeros({1})); }),
      "Network.load_state_dict: " + changed + " must have the network's entries only (got fc.weight)");
  EXPECT_EQ(
      load_changed([](NamedTensors& state) {
        state["head.weight"] = at::zeros({5, 3});
      }),
      "Network.load_state_dict: head.weight must be of shape [5, 4] (got [5, 3])");

  EXPECT_TRUE(same_bits(network_.state_dict(), before));
}

TEST_F(NetworkTest, SaveWritesAWholeFileOrNone) {
  const auto save_error = [this](const std::string& path) {
    return file_error_of([&] { network_.save_state_dict(path); });
  };
  const std::string nowhere = folder_.file("nowhere") + "/student.pt";
  EXPECT_EQ(
      save_error(nowhere), "Network.save_state_dict: path must be a file that can be written (got " + nowhere +
                               ": No such file or directory)");
  // The last moment at which writing can fail: the name is taken by a folder.
  std::filesystem::create_directories(folder_.file("taken") + "/inside");
  EXPECT_EQ(
      save_error(folder_.file("taken")), "Network.save_state_dict: path must be a file that can be written (got " +
                                             folder_.file("taken") + ": Is a directory)");

  network_.save_state_dict(folder_.file("student.pt"));
  const std::string first = bytes_of(folder_.file("student.pt"));
  std::make_shared<TinyNetwork>()->save_state_dict(folder_.file("student.pt"));
  EXPECT_NE(bytes_of(folder_.file("student.pt")), first);

  // No temporary file stays behind.
  EXPECT_EQ(folder_.names(), (std::set<std::string>{"student.pt", "taken"}));
}

TEST_F(NetworkTest, SaveLeavesTheOldFileIfTheDiskIsFull) {
  const std::string path = folder_.write("student.pt", "old");
  // A limit on the size of files fails in the middle of writing, as a full disk does.
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit limit{100, before.rlim_max};
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  const std::string error = file_error_of([&] { network_.save_state_dict(path); });
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(
      error, "Network.save_state_dict: path must be a file that can be written (got " + path + ": File too large)");
  EXPECT_EQ(bytes_of(path), "old");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_.path()), {}), 1) << "no temporary file may stay";
}

TEST_F(NetworkTest, HasNoProgramAndNoAttributesByDefault) {
  EXPECT_EQ(
      error_of([&] { network_.save_torchscript(folder_.file("network.ts")); }),
      "Network: network must be a native or a TorchScript one, or implement to_torchscript (got "
      "retort::test::TinyNetwork)");
  EXPECT_FALSE(std::filesystem::exists(folder_.file("network.ts")));
  EXPECT_EQ(NetworkState::of(network_).packed_attributes(), "");
  NetworkState::of(network_).unpack_attributes("")();
  EXPECT_EQ(
      error_of([&] { NetworkState::of(network_).unpack_attributes("some")(); }),
      "Network.unpack_attributes: bytes must be empty for a network without attributes (got 4 bytes)");
}

TEST_F(NetworkTest, PredictsOnSeveralThreads) {
  const at::Tensor expected = network_.predict(images_);
  std::vector<at::Tensor> results(4);
  std::vector<std::thread> threads;
  for (at::Tensor& result : results) {
    threads.emplace_back([this, &result] {
      for (int i = 0; i < 20; ++i) result = network_.predict(images_);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const at::Tensor& result : results) EXPECT_TRUE(close(result, expected));
  EXPECT_TRUE(network_.is_training());
}

TEST_F(NetworkTest, ForwardPassesTakeUpTheNumberOfThreads) {
  std::thread([this] {
    network_.predict(images_);
    std::thread([] { set_threads(3); }).join();
    network_.predict(images_);
    EXPECT_EQ(at::get_num_threads(), 3);
  }).join();
}

}  // namespace
}  // namespace retort
