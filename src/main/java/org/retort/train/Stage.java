package org.retort.train;

import static org.retort.internal.Arguments.check;

import java.util.ArrayList;
import java.util.List;
import org.retort.internal.Arguments;
import org.retort.losses.DistillationLoss;

/**
 * A stage of training: the parts of the student that are trained, the losses and the optimizer.
 * Training has one stage, or several in succession; the FSP paper and RepDistiller, for example,
 * first train the layers with FSP alone, then the whole student with the cross-entropy.
 *
 * @param crossEntropy the cross-entropy with the labels; by default the plain one with a weight of
 *     1
 * @param terms the distillation losses; none by default
 * @param optimizer the optimizer; by default SGD with a learning rate of 0.1
 * @param trainOnly names of the student's parameters or modules that are trained; empty for all,
 *     the default
 * @param steps number of updates after which the next stage begins; 0, the default, for the last
 *     stage, which has no end
 */
public record Stage(
    CrossEntropy crossEntropy,
    List<Term> terms,
    Optimizer optimizer,
    List<String> trainOnly,
    long steps) {
  private static final String NAME = "Stage";

  /**
   * Creates a stage.
   *
   * @param crossEntropy the cross-entropy with the labels
   * @param terms the distillation losses
   * @param optimizer the optimizer
   * @param trainOnly names of parameters or modules; empty for all
   * @param steps number of updates; 0 for no end
   * @throws IllegalArgumentException if an argument is null or out of range
   */
  public Stage {
    Arguments.notNull(crossEntropy, NAME, "cross-entropy");
    terms = Arguments.list(terms, NAME, "terms");
    Arguments.notNull(optimizer, NAME, "optimizer");
    trainOnly = Arguments.list(trainOnly, NAME, "train only");
    Arguments.atLeast(steps, 0, NAME, "steps");
  }

  /**
   * Creates a stage that minimises the plain cross-entropy.
   *
   * @param optimizer the optimizer
   * @return the stage
   * @throws IllegalArgumentException if it is null
   */
  public static Stage of(Optimizer optimizer) {
    return new Stage(CrossEntropy.of(1), List.of(), optimizer, List.of(), 0);
  }

  /**
   * Adds a distillation loss on logits.
   *
   * @param weight at least 0 and finite
   * @param loss the loss
   * @return a changed copy
   * @throws IllegalArgumentException if the weight is out of range or the loss is null
   */
  public Stage add(double weight, DistillationLoss loss) {
    return add(weight, loss, Taps.of());
  }

  /**
   * Adds a distillation loss on features.
   *
   * @param weight at least 0 and finite
   * @param loss the loss
   * @param taps the features that it compares
   * @return a changed copy
   * @throws IllegalArgumentException if the weight is out of range or an argument is null
   */
  public Stage add(double weight, DistillationLoss loss, Taps taps) {
    return add(Term.of(weight, loss).withTaps(taps));
  }

  /**
   * Adds a distillation loss.
   *
   * @param term the loss, its weight, taps, schedule and teachers
   * @return a changed copy
   * @throws IllegalArgumentException if it is null
   */
  public Stage add(Term term) {
    List<Term> all = new ArrayList<>(terms);
    all.add(Arguments.notNull(term, NAME + ".add", "term"));
    return new Stage(crossEntropy, all, optimizer, trainOnly, steps);
  }

  /**
   * Sets the cross-entropy with the labels.
   *
   * @param crossEntropy the cross-entropy
   * @return a changed copy
   * @throws IllegalArgumentException if it is null
   */
  public Stage withCrossEntropy(CrossEntropy crossEntropy) {
    return new Stage(crossEntropy, terms, optimizer, trainOnly, steps);
  }

  /**
   * Sets the cross-entropy to the plain one.
   *
   * @param weight at least 0 and finite; 0 trains without labels
   * @return a changed copy
   * @throws IllegalArgumentException if it is out of range
   */
  public Stage withCrossEntropy(double weight) {
    return withCrossEntropy(CrossEntropy.of(weight));
  }

  /**
   * Sets the optimizer.
   *
   * @param optimizer the optimizer
   * @return a changed copy
   * @throws IllegalArgumentException if it is null
   */
  public Stage withOptimizer(Optimizer optimizer) {
    return new Stage(crossEntropy, terms, optimizer, trainOnly, steps);
  }

  /**
   * Trains only parts of the student; all of it by default. The others remain unchanged, and
   * modules among them are in evaluation mode. Parameters of the losses are always trained.
   *
   * @param parts names of the student's parameters or modules, for example {@code layer1}
   * @return a changed copy
   * @throws IllegalArgumentException if there is no name or one is null
   */
  public Stage withTrainOnly(String... parts) {
    List<String> names = Arguments.list(parts, NAME + ".withTrainOnly", "parts");
    check(!names.isEmpty(), "%s.withTrainOnly: parts must be at least one (got none)", NAME);
    return new Stage(crossEntropy, terms, optimizer, names, steps);
  }

  /**
   * Sets the number of updates after which the next stage begins; 0 by default.
   *
   * @param steps positive; 0 for the last stage, which has no end
   * @return a changed copy
   * @throws IllegalArgumentException if the number is out of range
   */
  public Stage withSteps(long steps) {
    return new Stage(crossEntropy, terms, optimizer, trainOnly, steps);
  }
}
