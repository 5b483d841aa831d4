#pragma once

#include <retort/export.h>
#include <retort/models/network.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace retort {

/// What serving a network needs beside its weights and its preprocessing.
struct RETORT_API ModelDescription {
  /// What the network is called, e.g. make_network()'s name. For people: the program in the folder says what it is.
  std::string architecture;
  /// One for each class, in their order; empty to call them by their numbers.
  std::vector<std::string> class_names;
  /// Pictures are scaled so that their shorter side has this many pixels before the centre is cropped to the input
  /// shape; 0 for the smallest size that covers it, and for anything but pictures.
  int64_t resize = 0;
  /// Of a network for tables, how a row becomes features, as Java's TableColumns writes it; empty for others. Kept, not
  /// read: features are made by the caller.
  std::string columns = {};
};

/// A network with its description.
struct RETORT_API SavedModel {
  std::shared_ptr<Network> network;
  ModelDescription description;
};

/// Writes what serving a network needs into a folder that is there:
/// - `student.pt`, the state dict, as Network::save_state_dict();
/// - `student.ts`, the TorchScript module, as Network::save_torchscript();
/// - `columns.csv`, the description's columns, if there are any;
/// - `model.json`: the rest of the description, input shape and preprocessing, and the checksums of `student.ts` and
///   `columns.csv`, for programs in any language.
///
/// Each file is whole or not there, and `model.json` comes after the others: a model that was written in part is
/// refused by load_model(). A `columns.csv` of an earlier model is removed in the end.
/// @throws FileError if a file can't be written
/// @throws c10::ValueError if the network was not probed, there is not one name for each class, or the resize is
///     negative
RETORT_API void save_model(const std::string& folder, Network& network, const ModelDescription& description);

/// Loads a model that save_model() wrote: the TorchScript module, so that it need not be known how the network is
/// built. A TorchScript file is a program: load only folders you trust.
/// @throws FileError if a file is missing, damaged or not of the others
RETORT_API SavedModel load_model(const std::string& folder);

}  // namespace retort
