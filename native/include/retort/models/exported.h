#pragma once

#include <retort/export.h>
#include <retort/models/network.h>

#include <cstdint>
#include <iosfwd>
#include <memory>
#include <string>
#include <vector>

namespace retort {

/// Loads a program exported by Python's `torch.export` as a network, for use as a student or teacher:
///
/// ```python
/// batch = torch.export.Dim("batch")
/// program = torch.export.export(model.train(), (images,), dynamic_shapes=({0: batch},))
/// torch.export.save(program, "model.pt2")
/// ```
///
/// where `images` is a batch of two or more. A `.pt2` file is data: it holds raw tensors and a list of ATen operators.
/// Only operators that work on tensors alone are run. Pickles in it are not read.
///
/// Parameters and buffers have the names of the Python model's state dict. The network trains and evaluates as the
/// model does: normalisation, dropout and recurrent layers follow the mode of the module they belong to, and buffers
/// change in training mode only. Noise drawn elsewhere, under `if self.training`, is drawn in evaluation mode, too. If
/// a model does something else there, save it with a second program,
///
/// ```python
/// torch.export.pt2_archive._package.package_pt2(
///     "model.pt2", exported_programs={"model": program, "evaluation": export(model.eval())})
/// ```
///
/// which the network runs in evaluation mode with the weights of the first. A program that was exported only in
/// evaluation mode can be a teacher but not a student.
///
/// Images must have the sizes the program was exported with; the batch may be of any size.
///
/// @param path a file written by `torch.export.save` of PyTorch 2.9 or later
/// @param taps features by the path of a module of the Python model: `layer1.1.relu` is the module's output,
///     `layer1.1.relu:in` its input, `layer1.1.relu@0` its first call in a forward pass; without a number, it is the
///     last call. A tap's name is its text or, if there is an equals sign, the part before it: `layer1=layer1.1.relu`.
///     If empty, the features are those that the model returns after the logits, named by their keys or numbers.
/// @throws FileError if the file is missing, is not such a program, or contains something that Retort does not run
/// @throws c10::ValueError if a tap refers to no module, or its module does not return, or is not given, a single
///     tensor
RETORT_API std::shared_ptr<Network> load_exported(const std::string& path, const std::vector<std::string>& taps = {});

/// Loads a program as above from a stream, which is read to its end and need not be seekable.
/// @param name what error messages call the stream
/// @throws FileError as above, and if the stream fails
RETORT_API std::shared_ptr<Network> load_exported(
    std::istream& stream, const std::vector<std::string>& taps = {}, const std::string& name = "the stream");

/// Describes a file of `torch.export` in human-readable lines: the PyTorch version that wrote it, images, logits and
/// features, every module with its class, parameters and output shape, and the taps of suggest_exported_taps().
/// @throws FileError if the file is missing or not such a program
RETORT_API std::string describe_exported(const std::string& path);

/// Describes a program as above from a stream, which is read to its end and need not be seekable.
/// @param name what error messages call the stream
/// @throws FileError as above, and if the stream fails
RETORT_API std::string describe_exported(std::istream& stream, const std::string& name = "the stream");

/// Suggests taps for load_exported(), named like those of native networks: `layer1`, `layer2`, … are the last maps of
/// each size, `layer1.pre`, … the inputs of their ReLUs, if they come from a ReLU, and `embedding` the classifier's
/// input, if a single module computes the logits from vectors.
/// @throws FileError if the file is missing or not such a program
RETORT_API std::vector<std::string> suggest_exported_taps(const std::string& path);

/// Suggests taps as above for a program in a stream, which is read to its end and need not be seekable.
/// @param name what error messages call the stream
/// @throws FileError as above, and if the stream fails
RETORT_API std::vector<std::string> suggest_exported_taps(std::istream& stream, const std::string& name = "the stream");

}  // namespace retort
