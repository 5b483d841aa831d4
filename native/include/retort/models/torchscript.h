#pragma once

#include <retort/export.h>
#include <retort/models/network.h>

#include <iosfwd>
#include <memory>
#include <string>
#include <vector>

namespace retort {

/// Loads a TorchScript module as a network, to be a student or a teacher. A TorchScript file is a program: load only
/// files you trust.
///
/// Its forward takes the images and returns `(logits, features)`. `features` is a dict, whose keys are the tap names,
/// or a list or tuple of tensors, whose tap names are "0", "1", … unless names are given.
/// Attributes that a forward pass assigns (counters, buffers) are part of the network's state.
///
/// @param path file written by `torch.jit.save`; its tensors are moved to the CPU
/// Where the module returns logits alone, or other features than wanted, taps can be at the calls of its parts, as
/// load_exported() has them: `layer1=layer1.1.relu`, `map=layer3.1.relu@0:in`. The features are these alone then. Calls
/// in a loop or a branch, and parts of a module that was inlined when it was saved, can't be tapped.
///
/// @param tap_names one name for each feature of a list, or a selection of a dict's keys; empty for the names above; or
///     taps by the paths of parts, each with a name and an equals sign
/// @throws FileError if the file is missing or not a TorchScript module
/// @throws c10::ValueError if a tap by its path is at no part, or not at one tensor
RETORT_API std::shared_ptr<Network> load_torchscript(
    const std::string& path, const std::vector<std::string>& tap_names = {});

/// Loads a TorchScript module as above from a stream, which is read to its end and need not be seekable.
/// @param name what error messages call the stream
/// @throws FileError if the stream fails or is not a TorchScript module
RETORT_API std::shared_ptr<Network> load_torchscript(
    std::istream& stream, const std::vector<std::string>& tap_names = {}, const std::string& name = "the stream");

}  // namespace retort
