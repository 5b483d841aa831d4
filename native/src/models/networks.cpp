#include <c10/util/accumulate.h>
#include <retort/models/imagenet_mobilenet_v2.h>
#include <retort/models/imagenet_resnet.h>
#include <retort/models/mlp.h>
#include <retort/models/mobilenet_v2.h>
#include <retort/models/networks.h>
#include <retort/models/resnet.h>
#include <retort/models/shufflenet_v1.h>
#include <retort/models/shufflenet_v2.h>
#include <retort/models/vgg.h>
#include <retort/models/wide_resnet.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "models/image_network.h"
#include "tensor/check.h"
#include "tensor/spelling.h"

namespace retort {
namespace {

/// A family's depth and width, as far as it has them.
struct Size {
  int64_t depth = 0;
  int64_t width = 0;
};

using Make = std::shared_ptr<Network> (*)(const Size&, int64_t classes, int64_t input_channels);

std::shared_ptr<Network> resnet(const Size& size, int64_t classes, int64_t input_channels) {
  ResNetOptions options;
  options.depth = size.depth;
  options.classes = classes;
  options.input_channels = input_channels;
  if (size.width == 4) options.filters = {32, 64, 128, 256};
  return make_resnet(options);
}

std::shared_ptr<Network> wide_resnet(const Size& size, int64_t classes, int64_t input_channels) {
  return make_wide_resnet({size.depth, size.width, classes, input_channels});
}

std::shared_ptr<Network> vgg(const Size& size, int64_t classes, int64_t input_channels) {
  VggOptions options;
  options.depth = size.depth;
  options.classes = classes;
  options.input_channels = input_channels;
  return make_vgg(options);
}

std::shared_ptr<Network> mobilenet_v2(const Size&, int64_t classes, int64_t input_channels) {
  return make_mobilenet_v2({0.5, classes, input_channels});
}

std::shared_ptr<Network> shufflenet_v1(const Size&, int64_t classes, int64_t input_channels) {
  ShuffleNetV1Options options;
  options.classes = classes;
  options.input_channels = input_channels;
  return make_shufflenet_v1(options);
}

std::shared_ptr<Network> shufflenet_v2(const Size&, int64_t classes, int64_t input_channels) {
  ShuffleNetV2Options options;
  options.classes = classes;
  options.input_channels = input_channels;
  return make_shufflenet_v2(options);
}

std::shared_ptr<Network> imagenet_resnet(const Size& size, int64_t classes, int64_t input_channels) {
  ImageNetResNetOptions options;
  options.depth = size.depth;
  options.classes = classes;
  options.input_channels = input_channels;
  return make_imagenet_resnet(options);
}

std::shared_ptr<Network> imagenet_mobilenet_v2(const Size&, int64_t classes, int64_t input_channels) {
  ImageNetMobileNetV2Options options;
  options.classes = classes;
  options.input_channels = input_channels;
  return make_imagenet_mobilenet_v2(options);
}

struct Known {
  const char* name;
  Make make;
  Size size;
};

constexpr Known kKnown[] = {
    {"resnet8", resnet, {8}},
    {"resnet14", resnet, {14}},
    {"resnet20", resnet, {20}},
    {"resnet32", resnet, {32}},
    {"resnet44", resnet, {44}},
    {"resnet56", resnet, {56}},
    {"resnet110", resnet, {110}},
    {"resnet8x4", resnet, {8, 4}},
    {"resnet32x4", resnet, {32, 4}},
    {"wrn_16_1", wide_resnet, {16, 1}},
    {"wrn_16_2", wide_resnet, {16, 2}},
    {"wrn_40_1", wide_resnet, {40, 1}},
    {"wrn_40_2", wide_resnet, {40, 2}},
    {"vgg8", vgg, {8}},
    {"vgg11", vgg, {11}},
    {"vgg13", vgg, {13}},
    {"vgg16", vgg, {16}},
    {"vgg19", vgg, {19}},
    {"MobileNetV2", mobilenet_v2, {}},
    {"ShuffleV1", shufflenet_v1, {}},
    {"ShuffleV2", shufflenet_v2, {}},
    {"resnet18", imagenet_resnet, {18}},
    {"resnet34", imagenet_resnet, {34}},
    {"resnet50", imagenet_resnet, {50}},
    {"mobilenet_v2", imagenet_mobilenet_v2, {}}};

constexpr char kMlp[] = "mlp";
constexpr char kMlpForm[] = "mlp_<units>_...";
constexpr size_t kMostDigits = 9;  // so that no product of two sizes overflows

/// The units of the hidden layers of "mlp_256_128", say; nothing for other names.
std::optional<std::vector<int64_t>> hidden_sizes(const std::string& name) {
  std::vector<int64_t> sizes;
  size_t end = sizeof(kMlp) - 1;
  if (name.compare(0, end, kMlp) != 0) return std::nullopt;
  while (end < name.size()) {
    if (name[end] != '_') return std::nullopt;
    const size_t start = end + 1;
    end = std::min(name.find_first_not_of("0123456789", start), name.size());
    const size_t digits = end - start;
    if (digits == 0 || digits > kMostDigits || name[start] == '0') return std::nullopt;
    sizes.push_back(std::stoll(name.substr(start, digits)));
  }
  return sizes.empty() ? std::nullopt : std::optional(sizes);
}

std::shared_ptr<Network> mlp(std::vector<int64_t> sizes, int64_t classes, int64_t inputs) {
  sizes.insert(sizes.begin(), inputs);
  sizes.push_back(classes);
  return make_mlp({std::move(sizes)});
}

}  // namespace

std::vector<std::string> network_names() {
  std::vector<std::string> names;
  for (const Known& known : kKnown) names.emplace_back(known.name);
  return names;
}

std::vector<std::string> network_name_forms() {
  std::vector<std::string> forms = network_names();
  forms.emplace_back(kMlpForm);
  return forms;
}

bool is_network_name(const std::string& name) {
  return std::any_of(std::begin(kKnown), std::end(kKnown), [&](const Known& known) { return name == known.name; }) ||
         hidden_sizes(name);
}

std::shared_ptr<Network> make_network(const std::string& name, int64_t classes, int64_t input_channels) {
  check_counts("make_network", classes, input_channels);
  for (const Known& known : kKnown) {
    if (name == known.name) return known.make(known.size, classes, input_channels);
  }
  if (const auto sizes = hidden_sizes(name)) return mlp(*sizes, classes, input_channels);
  fail("make_network: name must be ", one_of(network_name_forms(), name));
}

std::shared_ptr<Network> make_network_for(
    const std::string& name, int64_t classes, const std::vector<int64_t>& input_shape) {
  const bool are_positive = std::all_of(input_shape.begin(), input_shape.end(), [](int64_t size) { return size > 0; });
  RETORT_CHECK(
      !input_shape.empty() && are_positive, "make_network_for: input shape must have positive sizes (got ",
      at::IntArrayRef(input_shape), ")");
  return make_network(name, classes, hidden_sizes(name) ? c10::multiply_integers(input_shape) : input_shape[0]);
}

}  // namespace retort
