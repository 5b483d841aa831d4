#pragma once

#include <retort/export.h>
#include <retort/losses/criterion.h>

#include <iosfwd>
#include <memory>
#include <string>

namespace retort {

/// Loads a loss that is a program, saved by Python's torch.export.save or torch.jit.save, whose `forward` takes the
/// values it compares by name and returns the loss, a scalar. It is a term of a training step like Retort's own losses.
///
/// `forward` takes any of these arguments, in any order:
///
/// | name | type | what |
/// | --- | --- | --- |
/// | `student_logits`, `teacher_logits` | Tensor | [B, classes] |
/// | `labels` | Tensor | int64 [B], -1 for a sample without a label |
/// | `weights` | Tensor | [B], the samples' weights, all 1 if a batch has none |
/// | `indices` | Tensor | int64 [B], the samples' rows in the data set |
/// | `student_taps`, `teacher_taps` | List[Tensor] | the term's taps, in order |
/// | `student_taps_0`, `teacher_taps_0`, ... | Tensor | one of them |
///
/// An Optional Tensor is None if a batch has none; others are required. Half precision is converted to float32.
///
/// Gradients are autograd's; they flow to the student's logits and taps, and to the program's parameters. These are
/// trained with the student by the stage's optimizer, on the student's device, in float64 for a float64 student and
/// otherwise in float32. The program runs in training mode. It may change only buffers, which must keep their shape,
/// dtype and device: they are part of the step's state, saved in checkpoints and rolled back if a step fails. Tensors
/// that are neither parameters nor buffers stay on the CPU. Each term has its own parameters and buffers, which start
/// as they are in the file.
///
/// A checkpoint loads only into a step whose program is the same, except for the values of parameters and buffers.
///
/// A `.pt2` file of torch.export is data, see load_exported(). It takes lists of taps as individual taps. **A
/// TorchScript file is a program: load only files you trust.**
///
///     options.terms = {{1000, retort::load_program_loss("attention_transfer.ts"), {"layer1"}, {"layer1"}}};
///
/// @throws FileError if the file is missing or is not a runnable program
/// @throws c10::ValueError if `forward` takes anything else, does not return a tensor, or assigns anything but buffers
RETORT_API std::shared_ptr<CriterionOptions> load_program_loss(const std::string& path);

/// Loads a program as above from a stream, which is read to its end.
/// @param name what error messages call the stream
RETORT_API std::shared_ptr<CriterionOptions> load_program_loss(
    std::istream& stream, const std::string& name = "the stream");

}  // namespace retort
