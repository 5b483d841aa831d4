#pragma once

#include <retort/export.h>
#include <retort/models/network.h>

#include <cstdint>
#include <iosfwd>
#include <memory>
#include <string>
#include <vector>

namespace retort {

/// Loads a program of `torch.export` as a network, to be a student or a teacher:
///
/// ```python
/// batch = torch.export.Dim("batch")
/// program = torch.export.export(model.train(), (images,), dynamic_shapes=({0: batch},))
/// torch.export.save(program, "model.pt2")
/// ```
///
/// where `images` is a batch of two or more. A `.pt2` file is data: it holds raw tensors and a list of ATen's
/// operators, of which only those run that work on tensors alone. Pickles in it are not read.
///
/// Parameters and buffers have the names of the Python model's state dict. The network trains and evaluates as the
/// model does: normalisation, dropout and recurrent layers follow the mode of the module they belong to, buffers
/// change in training mode only. Noise drawn elsewhere, under `if self.training`, stays in evaluation mode; a model
/// that does something else there can be saved with a second program,
///
/// ```python
/// torch.export.pt2_archive._package.package_pt2(
///     "model.pt2", exported_programs={"model": program, "evaluation": export(model.eval())})
/// ```
///
/// which the network runs in evaluation mode with the weights of the first. A program that was exported in evaluation
/// mode alone can be a teacher, not a student.
///
/// Images must have the sizes that the program was exported with; the batch may be of any size.
///
/// @param path file written by `torch.export.save` of PyTorch 2.9 or later
/// @param taps features by the path of a module of the Python model: `layer1.1.relu` is what the module returns,
///     `layer1.1.relu:in` what it is given; `layer1.1.relu@0` is its first call in a forward pass, without a number it
///     is the last one. A tap's name is its text, or what is before an equals sign: `layer1=layer1.1.relu`. If empty,
///     the features are those that the model returns after the logits, named by their keys or numbers.
/// @throws FileError if the file is missing, is no such program, or holds what Retort does not run
/// @throws c10::ValueError if a tap is at no module, or its module does not return, or is not given, one tensor
RETORT_API std::shared_ptr<Network> load_exported(const std::string& path, const std::vector<std::string>& taps = {});

/// Loads a program as above from a stream, which is read to its end and need not be seekable.
/// @param name what error messages call the stream
/// @throws FileError as above, and if the stream fails
RETORT_API std::shared_ptr<Network> load_exported(
    std::istream& stream, const std::vector<std::string>& taps = {}, const std::string& name = "the stream");

/// What is in a file of `torch.export`, in lines to read: the PyTorch that wrote it, images, logits and features, every
/// module with its class, parameters and the shape of what it returns, and the taps of suggest_exported_taps().
/// @throws FileError if the file is missing or no such program
RETORT_API std::string describe_exported(const std::string& path);

/// Describes a program as above from a stream, which is read to its end and need not be seekable.
/// @param name what error messages call the stream
/// @throws FileError as above, and if the stream fails
RETORT_API std::string describe_exported(std::istream& stream, const std::string& name = "the stream");

/// Taps to begin with, for load_exported(), called as those of native networks: `layer1`, `layer2`, … are the last maps
/// of each size, `layer1.pre`, … what their ReLU is given, if a ReLU made them, `embedding` what the classifier is
/// given, if one module makes the logits of vectors.
/// @throws FileError if the file is missing or no such program
RETORT_API std::vector<std::string> suggest_exported_taps(const std::string& path);

/// Suggests taps as above for a program in a stream, which is read to its end and need not be seekable.
/// @param name what error messages call the stream
/// @throws FileError as above, and if the stream fails
RETORT_API std::vector<std::string> suggest_exported_taps(std::istream& stream, const std::string& name = "the stream");

}  // namespace retort
