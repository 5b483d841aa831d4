#pragma once

#include "kernels/math/exp.h"
#include "kernels/math/kd.h"

namespace retort::math {

/// log(1 + e^x)
template <typename T>
RETORT_MATH T softplus(T x) {
  return (x > T(0) ? x : T(0)) + static_cast<T>(log1p(static_cast<double>(exp_nonpositive(x > T(0) ? -x : x))));
}

/// The probability of a row's label, from its log-odds against all other classes.
template <typename T>
struct DkdTarget {
  T probability;
  T log_probability;
  T log_other;

  RETORT_MATH_METHOD explicit DkdTarget(T log_odds)
      : probability(exp_nonpositive(-softplus(-log_odds))),
        log_probability(-softplus(-log_odds)),
        log_other(-softplus(log_odds)) {}

  RETORT_MATH_METHOD T other() const { return exp_nonpositive(log_other); }
};

/// KL between two distributions over the label and everything else.
template <typename T>
RETORT_MATH T dkd_target_divergence(const DkdTarget<T>& student, const DkdTarget<T>& teacher) {
  const T other = teacher.other();
  const T of_label =
      teacher.probability == T(0) ? T(0) : teacher.probability * (teacher.log_probability - student.log_probability);
  return not_negative(of_label + (other == T(0) ? T(0) : other * (teacher.log_other - student.log_other)));
}

/// Its derivative by the student's log-odds.
template <typename T>
RETORT_MATH T dkd_by_student(const DkdTarget<T>& student, const DkdTarget<T>& teacher) {
  return student.probability - teacher.probability;
}

/// Its derivative by the teacher's log-odds.
template <typename T>
RETORT_MATH T dkd_by_teacher(const DkdTarget<T>& student, const DkdTarget<T>& teacher) {
  const T both = teacher.probability * teacher.other();
  if (both == T(0)) return T(0);
  return both * (teacher.log_probability - student.log_probability - teacher.log_other + student.log_other);
}

}  // namespace retort::math
