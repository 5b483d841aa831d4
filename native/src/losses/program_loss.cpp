#include <ATen/core/List.h>
#include <ATen/core/function_schema.h>
#include <ATen/ops/ones.h>
#include <retort/losses/program_loss.h>
#include <torch/csrc/jit/runtime/graph_executor.h>

#include <algorithm>
#include <cctype>
#include <utility>

#include "io/checksum.h"
#include "io/description.h"
#include "io/stream.h"
#include "losses/checks.h"
#include "models/program_file.h"
#include "models/torchscript/attributes.h"
#include "models/torchscript/mirrored.h"
#include "models/torchscript/program.h"
#include "runtime/exit_gate.h"
#include "tensor/check.h"
#include "tensor/convert.h"
#include "tensor/spelling.h"

namespace retort {
namespace {

constexpr const char* kName = "program_loss";
constexpr const char* kLoadProgramLoss = "load_program_loss";

const std::string kStudentTaps = "student_taps";
const std::string kTeacherTaps = "teacher_taps";

/// The names of arguments, but for those of single taps.
const std::vector<std::string>& known_arguments() {
  static const auto* names = new std::vector<std::string>(
      {"student_logits", "teacher_logits", "labels", "weights", "indices", kStudentTaps, kTeacherTaps});
  return *names;
}

/// An argument of a program's forward.
struct Argument {
  std::string name;
  bool is_optional = false;
  /// Of a single tap, its place; else -1. The name is that of the list then.
  int64_t tap = -1;

  bool is_list() const { return tap < 0 && (name == kStudentTaps || name == kTeacherTaps); }
};

/// The place at the end of `student_taps_3`; -1 for a name without one.
int64_t place_in(const std::string& list, const std::string& name) {
  constexpr size_t kMostDigits = 4;
  if (name.size() < list.size() + 2 || name.size() > list.size() + 1 + kMostDigits) return -1;
  if (name.compare(0, list.size() + 1, list + '_') != 0) return -1;
  const std::string digits = name.substr(list.size() + 1);
  const bool is_number = std::all_of(digits.begin(), digits.end(), [](unsigned char c) { return std::isdigit(c); });
  return is_number ? std::stoll(digits) : -1;
}

Argument argument_of(const c10::Argument& declared, const std::string& file) {
  Argument argument{declared.name()};
  for (const std::string& list : {kStudentTaps, kTeacherTaps}) {
    if (const int64_t place = place_in(list, declared.name()); place >= 0) argument = {list, false, place};
  }
  const auto& known = known_arguments();
  RETORT_CHECK(
      std::find(known.begin(), known.end(), argument.name) != known.end(), kLoadProgramLoss,
      ": arguments of forward in ", file, " must be ", one_of(known, argument.name));
  c10::TypePtr type = declared.type();
  if (argument.is_list()) {
    RETORT_CHECK(
        type->isSubtypeOf(*c10::ListType::ofTensors()), kLoadProgramLoss, ": ", declared.name(), " in ", file,
        " must be of type List[Tensor] (got ", type->str(), ")");
    return argument;
  }
  if (const auto optional = type->cast<c10::OptionalType>()) {
    argument.is_optional = true;
    type = optional->getElementType();
  }
  RETORT_CHECK(
      type->isSubtypeOf(*c10::TensorType::get()), kLoadProgramLoss, ": ", declared.name(), " in ", file,
      " must be of type Tensor (got ", type->str(), ")");
  return argument;
}

/// Requires a forward that is a loss.
std::vector<Argument> arguments_of(const torch::jit::Module& program, const std::string& file) {
  const auto method = program.find_method("forward");
  RETORT_CHECK(method, kLoadProgramLoss, ": program must have a method forward (got ", file, ", which has none)");
  const c10::FunctionSchema& schema = method->function().getSchema();
  std::vector<Argument> arguments;
  for (size_t i = 1; i < schema.arguments().size(); ++i) {  // the first one is self
    arguments.push_back(argument_of(schema.arguments()[i], file));
  }
  const c10::TypePtr& returned = schema.returns().at(0).type();
  RETORT_CHECK(
      returned->isSubtypeOf(*c10::TensorType::get()), kLoadProgramLoss, ": forward in ", file,
      " must return the loss, a Tensor (got ", returned->str(), ")");
  const std::vector<std::string> assigned = assigned_attributes(program);
  RETORT_CHECK(
      assigned.empty(), kLoadProgramLoss, ": forward in ", file, " must assign nothing but buffers (got self.",
      assigned.front(), ")");
  return arguments;
}

at::Tensor widened(const at::Tensor& tensor) {
  return at::isReducedFloatingType(tensor.scalar_type()) ? tensor.to(at::kFloat) : tensor;
}

class ProgramCriterion final : public Mirrored<Criterion> {
 public:
  ProgramCriterion(const torch::jit::Module& program, const std::vector<Argument>& arguments)
      : Mirrored<Criterion>(program), attributes_(program), arguments_(arguments) {
    train(true);
  }

  void check_batch(const CriterionBatch& batch) const override {
    for (const Argument& argument : arguments_) {
      if (argument.is_optional) continue;
      if (argument.name == "labels") check_has_labels(kName, batch);
      RETORT_CHECK_AS(
          ShapeError, argument.name != "indices" || batch.indices.defined(), kName,
          ": indices must be given (got an undefined tensor)");
    }
  }

  at::Tensor forward(const CriterionInput& input) override {
    std::vector<c10::IValue> values;
    for (const Argument& argument : arguments_) values.push_back(value_of(argument, input));
    // As it is written, operator by operator: what LibTorch's compiler makes of it after the first runs rounds
    // otherwise, and a training that is resumed would go on otherwise.
    const torch::jit::GraphOptimizerEnabledGuard no_optimization(false);
    try {
      return program_.forward(std::move(values)).toTensor();
    } catch (const std::exception& error) {
      fail(kName, ": program must compute the loss (got ", one_line(error), ")");
    }
  }

  /// Not before the backward pass, for which the old contents may be needed.
  void after_step(const CriterionInput& /*input*/) override {
    visit_assigned([](const std::string& name, const at::Tensor& buffer, const at::Tensor& assigned) {
      RETORT_CHECK_AS(
          ShapeError, fits(buffer, assigned), kName, ": buffer ", name, " must stay ", text_of(buffer), " (got ",
          text_of(assigned), ")");
    });
    adopt();
  }

  void snapshot() override {
    Criterion::snapshot();
    attributes_.save(values_);
  }

  /// First what the program has put in the place of buffers.
  void restore() override {
    attributes_.restore(values_);
    Criterion::restore();
  }

 private:
  static std::string text_of(const at::Tensor& tensor) {
    return c10::str(tensor.scalar_type(), ' ', tensor.sizes(), " on ", tensor.device());
  }

  static c10::IValue value_of(const Argument& argument, const CriterionInput& input) {
    if (argument.name == kStudentTaps) return taps(argument, input.student);
    if (argument.name == kTeacherTaps) return taps(argument, input.teacher);
    if (argument.name == "student_logits") return widened(input.logits_student);
    if (argument.name == "labels") return given(argument, input.labels);
    if (argument.name == "indices") return given(argument, input.indices);
    if (argument.name == "teacher_logits") return given(argument, input.logits_teacher);
    const at::TensorOptions numbers = widened(input.logits_student.detach()).options();
    if (input.weights.defined()) return input.weights.to(numbers);
    return argument.is_optional ? c10::IValue() : at::ones({input.logits_student.size(0)}, numbers);
  }

  static c10::IValue given(const Argument& argument, const at::Tensor& tensor) {
    if (tensor.defined()) return widened(tensor);
    RETORT_CHECK_AS(
        ShapeError, argument.is_optional, kName, ": ", argument.name, " must be given (got an undefined tensor)");
    return {};
  }

  static c10::IValue taps(const Argument& argument, const std::vector<at::Tensor>& tensors) {
    if (argument.tap >= 0) return widened(tensors.at(static_cast<size_t>(argument.tap)));
    c10::List<at::Tensor> list;
    for (const at::Tensor& tensor : tensors) list.push_back(widened(tensor));
    return list;
  }

  Attributes attributes_;
  Attributes::Values values_;
  std::vector<Argument> arguments_;
};

struct ProgramLossOptions final : CriterionOptions {
  ProgramLossOptions(torch::jit::Module loaded, const std::string& file)
      : program(std::move(loaded)), arguments(arguments_of(program, file)) {
    // Numbers and the like that are attributes are not part of the graph.
    const uint64_t sum = checksum(packed(program) + Attributes(program).pack());
    text = describe(kName, {{"program", c10::str('#', sum)}});
  }

  std::shared_ptr<Criterion> build(const FeatureShapes& shapes) const override {
    check_taps(kStudentTaps, shapes.student.size());
    check_taps(kTeacherTaps, shapes.teacher.size());
    auto criterion = std::make_shared<ProgramCriterion>(copy_of(program), arguments);
    // Programs get half precision as float32, and so compute with their own.
    replace_contents(*criterion, &widened);
    return criterion;
  }

  std::string description() const override { return text; }

 private:
  /// Requires taps that the program takes, and all of them.
  void check_taps(const std::string& list, size_t count) const {
    int64_t least = 0;
    bool takes_any = false;
    for (const Argument& argument : arguments) {
      if (argument.name != list) continue;
      takes_any = takes_any || argument.is_list();
      least = std::max(least, argument.tap + 1);
    }
    const auto given = static_cast<int64_t>(count);
    RETORT_CHECK(
        takes_any ? given >= least : given == least, kName, ": ", list, " must be ", takes_any ? "at least " : "",
        least, ", as forward takes them (got ", given, ")");
  }

  torch::jit::Module program;
  std::vector<Argument> arguments;
  std::string text;
};

}  // namespace

std::shared_ptr<CriterionOptions> load_program_loss(const std::string& path) {
  static CallSite site;
  const RunningCall running(site);
  return std::make_shared<ProgramLossOptions>(load_program(kLoadProgramLoss, path), path);
}

std::shared_ptr<CriterionOptions> load_program_loss(std::istream& stream, const std::string& name) {
  const std::string bytes = read_stream(kLoadProgramLoss, stream, name);
  static CallSite site;
  const RunningCall running(site);
  return std::make_shared<ProgramLossOptions>(load_program(kLoadProgramLoss, bytes, name), name);
}

}  // namespace retort
