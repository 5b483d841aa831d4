#pragma once

#include <retort/export.h>
#include <retort/losses/criterion.h>

#include <iosfwd>
#include <memory>
#include <string>

namespace retort {

/// Loads a loss that is a program, as Python's torch.export.save or torch.jit.save writes it, whose `forward` takes
/// what it compares by name and returns the loss, a scalar. It is a term of a training step like Retort's own losses.
///
/// `forward` takes any of these arguments, in any order:
///
/// | name | type | what |
/// | --- | --- | --- |
/// | `student_logits`, `teacher_logits` | Tensor | [B, classes] |
/// | `labels` | Tensor | int64 [B], -1 for a sample without a label |
/// | `weights` | Tensor | [B], the samples' weights; 1 for each if a batch has none |
/// | `indices` | Tensor | int64 [B], the samples' rows in the data set |
/// | `student_taps`, `teacher_taps` | List[Tensor] | the term's taps, in their order |
/// | `student_taps_0`, `teacher_taps_0`, ... | Tensor | one of them |
///
/// A tensor that is an Optional is None if a batch has none; others are required. Half precision comes as float32.
///
/// Gradients are autograd's; they flow to the student's logits and taps, and to the program's parameters. Those are
/// trained with the student by the stage's optimizer and get its dtype and device. The program runs in training mode.
/// What it changes must be buffers, which keep their shape: they are part of the step's state, kept in checkpoints and
/// rolled back with a step that fails. Tensors that are neither parameters nor buffers stay on the CPU. Each term has
/// parameters and buffers of its own, which start as they are in the file.
///
/// A checkpoint loads only into a step whose program is the same, but for the values of parameters and buffers.
///
/// A `.pt2` file of torch.export is data, see load_exported(). It takes lists of taps as single ones. **A TorchScript
/// file is a program: load only files you trust.**
///
///     options.terms = {{1000, retort::load_program_loss("attention_transfer.ts"), {"layer1"}, {"layer1"}}};
///
/// @throws FileError if the file is missing or is neither, or a program of torch.export can't be run
/// @throws c10::ValueError if `forward` takes something else, returns no tensor, or assigns what is no buffer
RETORT_API std::shared_ptr<CriterionOptions> load_program_loss(const std::string& path);

/// The same from a stream, which is read to its end.
/// @param name of the stream, for error messages
RETORT_API std::shared_ptr<CriterionOptions> load_program_loss(
    std::istream& stream, const std::string& name = "the stream");

}  // namespace retort
