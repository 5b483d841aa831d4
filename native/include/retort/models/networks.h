#pragma once

#include <retort/export.h>
#include <retort/models/network.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace retort {

/// The fixed names that make_network() accepts: RepDistiller's for the CIFAR family, resnet8, …, wrn_16_1, …, vgg8, …,
/// MobileNetV2, ShuffleV1, ShuffleV2, and torchvision's for larger images, resnet18, resnet34, resnet50, mobilenet_v2.
RETORT_API std::vector<std::string> network_names();

/// What a name may be, for messages: network_names(), then "mlp_<units>_...", which stands for many.
RETORT_API std::vector<std::string> network_name_forms();

/// Whether make_network() accepts a name: one of network_names(), or "mlp_" with the units of each hidden layer between
/// underscores, e.g. mlp_256_128, each from 1 to 999999999.
RETORT_API bool is_network_name(const std::string& name);

/// Makes a network by its name, with newly initialised weights: a make_resnet, make_wide_resnet, make_vgg,
/// make_mobilenet_v2, make_shufflenet_v1, make_shufflenet_v2, make_imagenet_resnet or make_imagenet_mobilenet_v2 of the
/// sizes that the name implies, or a make_mlp of the hidden layers that the name tells.
/// @param classes number of classes
/// @param input_channels channels of the images; for mlp_... the elements of one sample, e.g. channels · height · width
/// @throws c10::ValueError if there is no network of that name, or a number is not positive
RETORT_API std::shared_ptr<Network> make_network(const std::string& name, int64_t classes, int64_t input_channels = 3);

/// Makes a network by its name for samples of a shape: make_network() with its channels or, for mlp_..., with all its
/// elements.
/// @param input_shape of one sample without the batch, channels first: {3, 32, 32}, or {features} for rows of a table
/// @throws c10::ValueError as make_network(), and if the shape has no sizes or one is not positive
RETORT_API std::shared_ptr<Network> make_network_for(
    const std::string& name, int64_t classes, const std::vector<int64_t>& input_shape);

}  // namespace retort
