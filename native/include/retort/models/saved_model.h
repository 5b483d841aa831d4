#pragma once

#include <retort/export.h>
#include <retort/models/network.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace retort {

/// The information that serving a network needs besides its weights and its preprocessing.
struct RETORT_API ModelDescription {
  /// The network's name, e.g. that of make_network(); for human readers, since the program in the folder defines the
  /// network.
  std::string architecture;
  /// One per class, in order; empty to name them by their numbers.
  std::vector<std::string> class_names;
  /// Pictures are scaled so that their shorter side has this many pixels before the centre is cropped to the input
  /// shape; 0 for the smallest size that covers it, and for anything but pictures.
  int64_t resize = 0;
  /// For a network for tables, how a row becomes features, as written by Java's TableColumns; empty for others. It is
  /// kept but not read: the caller computes the features.
  std::string columns = {};
};

/// A network with its description.
struct RETORT_API SavedModel {
  std::shared_ptr<Network> network;
  ModelDescription description;
};

/// Writes what serving a network needs to an existing folder:
/// - `student.pt`, the state dict, as written by Network::save_state_dict();
/// - `student.ts`, the TorchScript module, as written by Network::save_torchscript();
/// - `columns.csv`, the description's columns, if there are any;
/// - `model.json`: the rest of the description, input shape and preprocessing, and the checksums of `student.ts` and
///   `columns.csv`, for programs in any language.
///
/// Each file is either complete or absent, and `model.json` is written after the others: load_model() rejects a
/// partially written model. If there are no columns, the `columns.csv` of an earlier model is removed at the end.
/// @throws FileError if a file can't be written
/// @throws c10::ValueError if the network was not probed, there is not one name per class, or the resize is negative
RETORT_API void save_model(const std::string& folder, Network& network, const ModelDescription& description);

/// Loads a model written by save_model(): the TorchScript module, so the caller need not know how the network is built.
/// A TorchScript file is a program: load only folders you trust.
/// @throws FileError if a file is missing, is damaged or does not belong with the others
RETORT_API SavedModel load_model(const std::string& folder);

}  // namespace retort
