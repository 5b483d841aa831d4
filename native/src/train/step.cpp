// A training step is a transaction in five acts:
//
//   take    checks the batch and begins the transaction
//   learn   computes the outputs of the networks, the losses and the gradients
//   agree   sums numbers and gradients over all ranks
//   decide  asks whether everything is finite, and does everything that may still fail
//   close   commits or rolls back
//
// perform() starts learn, agree, decide and then the update, in which nothing can fail. On the CPU one follows the
// other. A GPU is only given its work: it decides for itself whether to update, and the numbers that tell the CPU are
// read when it is done, at the end of the step or, if results are late, in the next one.
#include <c10/core/InferenceMode.h>

#include <cmath>
#include <utility>

#include "runtime/stopwatch.h"
#include "runtime/threads.h"
#include "tensor/check.h"
#include "tensor/labels.h"
#include "tensor/numbers.h"
#include "train/autocast.h"
#include "train/backward.h"
#include "train/class_name.h"
#include "train/step.h"

namespace retort {
namespace {

void check_finite(const std::string& what, double loss) {
  RETORT_CHECK_AS(
      NonFiniteError, std::isfinite(loss), kTrainingStep, ": ", what, " must be finite (got ",
      without_sign_of_nan(loss), ")");
}

bool is_non_finite(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const NonFiniteError&) {
    return true;
  } catch (...) {
    return false;
  }
}

}  // namespace

void TrainingStep::Impl::run(const Batch& batch, StepResult& result) {
  adopt_threads();
  const Lock lock(*this);
  const Stopwatch watch;
  settle();
  rethrow_failure();
  Attempt attempt;
  if (ranks) ranks->enter();
  try {
    take(batch, attempt);
    if (!replay(batch, attempt)) perform(attempt, staging.on_device(batch), /*records=*/false);
  } catch (...) {
    attempt.error = std::current_exception();
    // What numbers of the whole batch say is known on all ranks.
    const bool is_known = attempt.is_read && !attempt.has_finite_gradients && is_non_finite(attempt.error);
    if (ranks && !is_known) attempt.error = ranks->fail(attempt.error);
    if (!is_non_finite(attempt.error)) {
      graph.forget_batches();
      std::rethrow_exception(attempt.error);
    }
  }
  if (device.is_cpu()) attempt.result.nanoseconds = watch.nanoseconds();
  if (options.late_results) {
    result = finished ? *std::exchange(finished, std::nullopt) : StepResult();
    pending = std::move(attempt);
    mark_pending();
    return;
  }
  close(std::move(attempt));
  rethrow_failure();
  result = *std::exchange(finished, std::nullopt);
  result.nanoseconds = watch.nanoseconds();
}

void TrainingStep::Impl::perform(Attempt& attempt, Batch batch, bool records) {
  const c10::InferenceMode no_inference(false);
  const at::AutoGradMode with_gradients(true);
  const Autocast full(device, Precision::kFull);
  Work work;
  work.batch = std::move(batch);
  if (Group* const shared = ranks ? ranks->batch_norm() : nullptr) {
    BatchNormOfAllRanks(shared).run([&] { learn(attempt, work); });
  } else {
    learn(attempt, work);
  }
  agree(attempt, work);
  decide(attempt, work, records);
  // Last, since nothing in it can fail.
  const at::NoGradGuard no_gradients;
  if (attempt.updates) {
    stage().optimizer->apply(work.update, work.failed);
  } else {
    attempt.sum = std::move(work.gradients);
  }
}

void TrainingStep::Impl::take(const Batch& batch, Attempt& attempt) {
  const BoundStage& now = stage();
  attempt.result.labeled = check(batch);
  attempt.result.samples = batch.images.size(0);
  attempt.result.stage = progress.stage;
  attempt.result.student_format = student_format.next();
  for (size_t i = 0; i < teachers.size(); ++i) attempt.result.teacher_formats.push_back(teachers[i].format().next());
  attempt.result.learning_rate = learning_rate();
  attempt.updates = accumulation.count() + 1 == options.accumulate;
  CriterionBatch of_criteria = criterion_batch(batch);
  for (const BoundLoss& loss : now.losses) attempt.applies.push_back(loss.criterion->applies(of_criteria));
  if (ranks) {
    meet(of_criteria, attempt);
    of_criteria = criterion_batch(batch);
  }

  // What is kept for the next time must be as good in any mode of the caller's.
  const c10::InferenceMode no_inference(false);
  attempt.transaction.join(student_participant);
  attempt.transaction.join(random_participant);
  teachers.begin(batch, now.teachers, attempt.transaction);
  for (const BoundLoss& loss : now.losses) attempt.transaction.join(*loss.participant);
  if (ranks) ranks->begin(own_buffers_of_networks(), own_buffers_of_criteria());

  for (size_t i = 0; i < now.losses.size(); ++i) {
    if (attempt.applies[i]) now.losses[i].criterion->draw(of_criteria);
  }
  send_numbers(attempt);
}

void TrainingStep::Impl::learn(Attempt& attempt, Work& work) {
  const BoundStage& now = stage();
  const Taught taught = teachers.teach(work.batch, now.teachers, now.blends, attempt.transaction);
  const Stopwatch watch;
  const NetworkOutput learned = outputs_of_student(work.batch.images);

  Backward backward(given);
  work.inputs.reserve(now.losses.size());
  for (size_t i = 0; i < now.losses.size(); ++i) {
    const auto place = static_cast<int64_t>(i);
    work.inputs.push_back(input_of(now.losses[i], work.batch, taught, learned));
    if (attempt.applies[i]) {
      found.put_loss(place, backward.add(now.losses[i], work.inputs.back(), factor_place(place)));
    } else {
      found.put_no_loss(place);
      // BatchNorms wait for the backward passes of all ranks.
      if (ranks && ranks->batch_norm() && ranks->applies_anywhere(place)) backward.add_nothing(work.inputs.back());
    }
  }
  if (ranks) ranks->begin_backward(progress.stage);
  work.gradients = backward.run(now.optimizer->parameters());
  attempt.student_nanoseconds = watch.nanoseconds();

  const at::NoGradGuard no_gradients;
  if (work.batch.labels.defined()) {
    write_correct(learned.logits, work.batch.labels, found.correct_samples());
  } else {
    found.correct_samples().zero_();
  }
}

void TrainingStep::Impl::agree(Attempt& attempt, Work& work) {
  const at::NoGradGuard no_gradients;
  if (ranks) work.gradients = ranks->agree(attempt.result.stage, work.gradients, found);
  if (loss_scale.is_used()) work.gradients = times(std::move(work.gradients), given.scalar(kInverseScale, at::kDouble));
}

void TrainingStep::Impl::decide(Attempt& attempt, Work& work, bool records) {
  const at::NoGradGuard no_gradients;
  BoundStage& now = stage();
  if (options.accumulate > 1) work.gradients = accumulation.plus(work.gradients);
  write_norms(work.gradients, found.norms());
  found.put_total(given.all(), kWeights);
  if (!records) found.fetch();
  if (reads_at_once()) {
    read(attempt);
  } else {
    work.failed = found.any_not_finite().to(at::kFloat);
  }

  if (attempt.updates) {
    const Optimizer::Rate rate = {
        attempt.result.learning_rate, records ? given.scalar(kLearningRate, at::kDouble) : at::Tensor()};
    work.update =
        now.optimizer->prepare(clip(work.gradients, found.norms(), options.clip_value, options.clip_norm), rate);
  }
  for (size_t i = 0; i < now.losses.size(); ++i) {
    if (attempt.applies[i]) now.losses[i].criterion->after_step(work.inputs[i]);
  }
  if (ranks) ranks->agree_on_criteria();
  std::exception_ptr error;
  if (teachers.has_new_outputs(now.teachers)) {
    try {
      // What is cached stays, so that the step must have succeeded before.
      read(attempt);
      teachers.cache_outputs(now.teachers);
    } catch (const NonFiniteError&) {
      error = std::current_exception();
    }
  }
  if (ranks) {
    // Even so: whether numbers are read here may differ between ranks.
    ranks->vote();
    attempt.result.waiting_nanoseconds = ranks->waiting_nanoseconds();
  }
  if (error) std::rethrow_exception(error);
}

void TrainingStep::Impl::read(Attempt& attempt) {
  if (std::exchange(attempt.is_read, true)) return;
  found.wait();
  const BoundStage& now = stage();
  StepResult& result = attempt.result;
  for (size_t i = 0; i < now.losses.size(); ++i) {
    const double loss = found.loss(static_cast<int64_t>(i));
    if (i == 0 && now.has_cross_entropy) {
      result.cross_entropy = loss;
    } else {
      result.terms.push_back(loss);
    }
  }
  result.total = found.total();
  result.correct = found.correct();

  for (size_t i = 0; i < now.losses.size(); ++i) check_finite(now.losses[i].name, found.loss(static_cast<int64_t>(i)));
  check_finite("loss", result.total);
  attempt.has_finite_losses = true;
  double squares = 0;
  const std::vector<std::string>& names = now.optimizer->names();
  for (size_t i = 0; i < names.size(); ++i) {
    const double norm = found.norm(static_cast<int64_t>(i));
    RETORT_CHECK_AS(
        NonFiniteError, std::isfinite(norm), kTrainingStep, ": gradient of ", names[i],
        " must be finite (got inf or nan)");
    squares += norm * norm;
  }
  result.gradient_norm = std::sqrt(squares);
  attempt.has_finite_gradients = true;
}

void TrainingStep::Impl::close(Attempt attempt) {
  try {
    if (attempt.error) std::rethrow_exception(attempt.error);
    read(attempt);
  } catch (const NonFiniteError&) {
    return give_up(std::move(attempt), std::current_exception());
  } catch (...) {
    failure = std::current_exception();
    if (ranks) ranks->fail(failure);
    graph.forget_batches();
    return;
  }
  loss_scale.note_finite();
  student_format.note(device.is_cpu() ? attempt.student_nanoseconds : found.nanoseconds());
  for (size_t place : stage().teachers) {
    Teacher& teacher = teachers[place];
    teacher.note_time(device.is_cpu() ? teacher.nanoseconds() : found.nanoseconds());
  }
  attempt.result.updated = attempt.updates;
  if (!device.is_cpu()) attempt.result.nanoseconds = found.nanoseconds();
  finished = std::move(attempt.result);
  attempt.transaction.commit();
  if (attempt.updates) {
    accumulation.clear();
    advance();
  } else {
    accumulation.keep(std::move(attempt.sum));
  }
}

void TrainingStep::Impl::give_up(Attempt attempt, std::exception_ptr error) {
  graph.forget_batches();
  const bool has_overflowed = attempt.has_finite_losses && loss_scale.may_overflow();
  if (has_overflowed) loss_scale.note_overflow();
  if (!has_overflowed && !options.skip_non_finite) {
    failure = std::move(error);
    return;
  }
  attempt.result.skipped = true;
  finished = std::move(attempt.result);
}

void TrainingStep::Impl::advance() {
  ++progress.steps;
  ++progress.steps_of_stage;
  if (stage().steps == 0 || progress.steps_of_stage < stage().steps) return;
  ++progress.stage;
  progress.steps_of_stage = 0;
  graph.start_over();
}

}  // namespace retort
