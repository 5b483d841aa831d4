#pragma once

#include <retort/models/network.h>

#include <vector>

#include "models/exported/program.h"

namespace retort::exported {

/// The BatchNorm layers before the features, and the modules up to the last feature map, found from the graph.
NetworkStructure structure_of(const Program& program, const std::vector<Feature>& features);

}  // namespace retort::exported
