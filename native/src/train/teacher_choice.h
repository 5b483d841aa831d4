#pragma once

#include <ATen/core/Tensor.h>
#include <retort/train/training_step.h>

#include <cstddef>
#include <string>
#include <vector>

namespace retort {

/// Which of a step's teachers a term learns from.
struct TeacherChoice {
  /// Their places: one if there is no mean.
  std::vector<size_t> teachers;
  TeacherMean mean = TeacherMean::kNone;
};

/// @throws c10::ValueError if the term names no teacher where it must, or one that there is not
TeacherChoice choice_of(const Term& term, const std::vector<TeacherOptions>& teachers);

/// A teacher's place by its name, which may be empty if there is one teacher.
/// @param what the name is of, for error messages
size_t place_of_teacher(const std::vector<TeacherOptions>& teachers, const std::string& name, const char* what);

/// What messages call a teacher: "teacher", followed by its name if it has another one.
std::string role_of(const TeacherOptions& teacher);
/// What checkpoints call it: "teacher" or "teachers.NAME".
std::string key_of(const TeacherOptions& teacher);

/// A weighted mean of several teachers' logits, which terms may share.
struct Blend {
  /// Their places.
  std::vector<size_t> teachers;
  /// For each of them, > 0; their sum is 1.
  std::vector<double> weights;
  /// At which the mean is one of probabilities; 0 for one of logits.
  double temperature = 0;

  bool operator==(const Blend& other) const {
    return teachers == other.teachers && weights == other.weights && temperature == other.temperature;
  }
};

/// Takes the weights of the teachers; those with none are left out.
/// @throws c10::ValueError if no weight is positive
/// @throws ShapeError if they differ in the number of classes, as far as that is known
Blend blend_of(const std::vector<size_t>& places, const std::vector<TeacherOptions>& teachers, double temperature);

/// [B, classes] in the dtype of the logits.
/// @param outputs of all teachers
/// @throws ShapeError if their logits differ in shape
at::Tensor blended(const Blend& blend, const std::vector<NetworkOutput>& outputs);

}  // namespace retort
