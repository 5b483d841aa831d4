#pragma once

#include "kernels/math/exp.h"

namespace retort::math {

/// One class's share of KL(teacher || student), from both log-probabilities; 0 where the teacher's probability is 0.
template <typename T>
RETORT_MATH T kd_term(T log_student, T log_teacher) {
  const T teacher = exp_nonpositive(log_teacher);
  return teacher == T(0) ? T(0) : teacher * (log_teacher - log_student);
}

/// A sum of such terms over all classes, which rounding may have left below 0. NaN stays.
template <typename T>
RETORT_MATH T not_negative(T divergence) {
  return divergence < T(0) ? T(0) : divergence;
}

/// Derivative of KL(teacher || student) by the student's softened logit.
template <typename T>
RETORT_MATH T kd_student_gradient(T log_student, T log_teacher) {
  return exp_nonpositive(log_student) - exp_nonpositive(log_teacher);
}

/// Derivative of KL(teacher || student) by the teacher's softened logit; `divergence` is the whole row's KL.
template <typename T>
RETORT_MATH T kd_teacher_gradient(T log_student, T log_teacher, T divergence) {
  const T teacher = exp_nonpositive(log_teacher);
  return teacher == T(0) ? T(0) : teacher * (log_teacher - log_student - divergence);
}

}  // namespace retort::math
