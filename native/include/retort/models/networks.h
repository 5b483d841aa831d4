#pragma once

#include <retort/export.h>
#include <retort/models/network.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace retort {

/// The names that make_network() accepts, which are RepDistiller's: resnet8, …, wrn_16_1, …, vgg8, …, MobileNetV2,
/// ShuffleV1, ShuffleV2.
RETORT_API std::vector<std::string> network_names();

/// Makes an image network by its RepDistiller name, with newly initialised weights: a make_resnet, make_wide_resnet,
/// make_vgg, make_mobilenet_v2, make_shufflenet_v1 or make_shufflenet_v2 of the sizes that the name implies.
/// @param classes number of classes
/// @param input_channels channels of the images
/// @throws c10::ValueError if there is no network of that name, or a number is not positive
RETORT_API std::shared_ptr<Network> make_network(const std::string& name, int64_t classes, int64_t input_channels = 3);

}  // namespace retort
