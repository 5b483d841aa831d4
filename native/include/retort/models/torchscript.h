#pragma once

#include <retort/export.h>
#include <retort/models/network.h>

#include <iosfwd>
#include <memory>
#include <string>
#include <vector>

namespace retort {

/// Loads a TorchScript module as a network, for use as a student or teacher. A TorchScript file is a program: load only
/// files you trust.
///
/// Its forward takes the images and returns `(logits, features)`. `features` is a dict whose keys are the tap names, or
/// a list or tuple of tensors whose tap names are "0", "1", … unless names are given. Attributes that a forward pass
/// assigns (counters, buffers) are part of the network's state.
///
/// If it returns logits alone, or features other than the ones you need, taps can refer to the calls of its submodules,
/// as in load_exported(): `layer1=layer1.1.relu`, `map=layer3.1.relu@0:in`. These are then the only features. Calls in
/// a loop or a branch, and submodules of a module that was inlined when it was saved, can't be tapped.
///
/// @param path a file written by `torch.jit.save`; its tensors are moved to the CPU
/// @param tap_names one name per feature of a list, or a selection of a dict's keys; empty for the names above; or taps
///     at submodules, each with a name and an equals sign
/// @throws FileError if the file is missing or not a TorchScript module
/// @throws c10::ValueError if a tap refers to no submodule, or not to a single tensor
RETORT_API std::shared_ptr<Network> load_torchscript(
    const std::string& path, const std::vector<std::string>& tap_names = {});

/// Loads a TorchScript module as above from a stream, which is read to its end and need not be seekable.
/// @param name what error messages call the stream
/// @throws FileError if the stream fails or is not a TorchScript module
/// @throws c10::ValueError as above
RETORT_API std::shared_ptr<Network> load_torchscript(
    std::istream& stream, const std::vector<std::string>& tap_names = {}, const std::string& name = "the stream");

}  // namespace retort
