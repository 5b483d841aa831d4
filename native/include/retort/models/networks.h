#pragma once

#include <retort/export.h>
#include <retort/models/network.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace retort {

/// Returns the fixed names that make_network() accepts: RepDistiller's for the CIFAR family, resnet8, …, wrn_16_1, …,
/// vgg8, …, MobileNetV2, ShuffleV1, ShuffleV2, and torchvision's for the ImageNet family, resnet18, resnet34, resnet50,
/// mobilenet_v2.
RETORT_API std::vector<std::string> network_names();

/// Returns the forms that a name may have, for messages: network_names(), then "mlp_<units>_...", which stands for
/// many.
RETORT_API std::vector<std::string> network_name_forms();

/// Returns whether make_network() accepts a name: one of network_names(), or "mlp" followed by the units of each hidden
/// layer after underscores, from 1 to 999999999, e.g. mlp_256_128.
RETORT_API bool is_network_name(const std::string& name);

/// Creates a network by name, with new weights: by make_resnet, make_wide_resnet, make_vgg, make_mobilenet_v2,
/// make_shufflenet_v1, make_shufflenet_v2, make_imagenet_resnet or make_imagenet_mobilenet_v2, of the size that the
/// name implies, or by make_mlp, with the hidden layers that it lists.
/// @param classes number of classes
/// @param input_channels channels of the images; for mlp_..., the number of elements of one sample, e.g. channels ·
///     height · width
/// @throws c10::ValueError if there is no network of that name, or a number is not positive
RETORT_API std::shared_ptr<Network> make_network(const std::string& name, int64_t classes, int64_t input_channels = 3);

/// Creates a network by name for samples of a given shape, like make_network() with its channels or, for mlp_..., with
/// all its elements.
/// @param input_shape the shape of one sample without the batch, channels first: {3, 32, 32}, or {features} for table
///     rows
/// @throws c10::ValueError as make_network(), and if the shape has no sizes or one is not positive
RETORT_API std::shared_ptr<Network> make_network_for(
    const std::string& name, int64_t classes, const std::vector<int64_t>& input_shape);

}  // namespace retort
