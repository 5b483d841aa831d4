#include "train/teacher_choice.h"

#include <ATen/ops/add.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/stack.h>

#include <cmath>
#include <numeric>

#include "tensor/check.h"
#include "tensor/spelling.h"
#include "train/class_name.h"

namespace retort {
namespace {

/// The name of a teacher that was given none.
const std::string kOnly = TeacherOptions().name;

std::vector<std::string> names_of_all(const std::vector<TeacherOptions>& teachers) {
  std::vector<std::string> names;
  for (const TeacherOptions& teacher : teachers) names.push_back(teacher.name);
  return names;
}

void check_classes(const std::vector<size_t>& places, const std::vector<TeacherOptions>& teachers) {
  const TeacherOptions* first = nullptr;
  for (size_t place : places) {
    const TeacherOptions& teacher = teachers[place];
    if (!teacher.network) continue;
    if (!first) first = &teacher;
    RETORT_CHECK_AS(
        ShapeError, teacher.network->classes() == first->network->classes(), kTrainingStep,
        ": teachers whose logits are mixed must have the same number of classes (got ", first->network->classes(),
        " of ", first->name, " and ", teacher.network->classes(), " of ", teacher.name, ")");
  }
}

}  // namespace

size_t place_of_teacher(const std::vector<TeacherOptions>& teachers, const std::string& name, const char* what) {
  const std::vector<std::string> names = names_of_all(teachers);
  if (name.empty()) {
    RETORT_CHECK(
        teachers.size() == 1, kTrainingStep, ": ", what, " must be named where there are several, ",
        c10::Join(", ", names), " (got no name)");
    return 0;
  }
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i] == name) return i;
  }
  fail<c10::ValueError>(kTrainingStep, ": ", what, " must be ", one_of(names, name));
}

TeacherChoice choice_of(const Term& term, const std::vector<TeacherOptions>& teachers) {
  constexpr const char* kWhat = "teacher of a term";
  TeacherChoice choice;
  choice.mean = term.teacher_mean;
  for (const std::string& name : term.teachers) {
    choice.teachers.push_back(place_of_teacher(teachers, name, kWhat));
    const size_t place = choice.teachers.back();
    for (size_t i = 0; i + 1 < choice.teachers.size(); ++i) {
      RETORT_CHECK(
          choice.teachers[i] != place, kTrainingStep, ": teachers of a term must be named once (got ", name, " twice)");
    }
  }
  if (choice.mean == TeacherMean::kNone) {
    RETORT_CHECK(
        choice.teachers.size() <= 1, kTrainingStep, ": ", kWhat, " must be one, unless a mean is taken of them (got ",
        c10::Join(", ", term.teachers), ")");
    if (choice.teachers.empty()) choice.teachers.push_back(place_of_teacher(teachers, {}, kWhat));
  } else if (choice.teachers.empty()) {
    choice.teachers.resize(teachers.size());
    std::iota(choice.teachers.begin(), choice.teachers.end(), 0);
  }
  return choice;
}

std::string role_of(const TeacherOptions& teacher) {
  return teacher.name == kOnly ? kOnly : "teacher " + teacher.name;
}

std::string key_of(const TeacherOptions& teacher) {
  return teacher.name == kOnly ? kOnly : "teachers." + teacher.name;
}

Blend blend_of(const std::vector<size_t>& places, const std::vector<TeacherOptions>& teachers, double temperature) {
  check_classes(places, teachers);
  Blend blend;
  blend.temperature = temperature;
  double sum = 0;
  for (size_t place : places) {
    const double weight = teachers[place].weight;
    if (weight == 0) continue;
    blend.teachers.push_back(place);
    blend.weights.push_back(weight);
    sum += weight;
  }
  RETORT_CHECK(
      !blend.teachers.empty() && std::isfinite(sum), kTrainingStep,
      ": weights of teachers that are mixed must have a positive and finite sum (got ", sum, ")");
  for (double& weight : blend.weights) weight /= sum;
  return blend;
}

at::Tensor blended(const Blend& blend, const std::vector<NetworkOutput>& outputs) {
  const at::Tensor& first = outputs[blend.teachers.front()].logits;
  // As precise as the losses, which take half precision as float32.
  const at::ScalarType dtype = first.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  std::vector<at::Tensor> parts;
  at::Tensor sum;
  for (size_t i = 0; i < blend.teachers.size(); ++i) {
    const at::Tensor& logits = outputs[blend.teachers[i]].logits;
    RETORT_CHECK_AS(
        ShapeError, logits.sizes() == first.sizes(), kTrainingStep,
        ": logits of teachers that are mixed must have the same shape (got ", first.sizes(), " and ", logits.sizes(),
        ")");
    const double weight = blend.weights[i];
    if (blend.temperature == 0) {
      sum = sum.defined() ? at::add(sum, logits.to(dtype), weight) : at::mul(logits.to(dtype), weight);
    } else {
      parts.push_back(at::log_softmax(logits.to(dtype).div(blend.temperature), 1).add(std::log(weight)));
    }
  }
  if (blend.temperature != 0) sum = at::logsumexp(at::stack(parts), 0).mul(blend.temperature);
  return sum.to(first.scalar_type());
}

}  // namespace retort
