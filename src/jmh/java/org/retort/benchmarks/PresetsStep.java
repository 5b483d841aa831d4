package org.retort.benchmarks;

import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.pytorch.LinearImpl;
import org.bytedeco.pytorch.SGD;
import org.bytedeco.pytorch.SGDOptions;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;

/** The step of {@link LinearStep} written call by call with Bytedeco's presets. */
@State(Scope.Thread)
public class PresetsStep {
  final LinearImpl linear = new LinearImpl(LinearStep.INPUTS, Samples.CLASSES);
  private final Samples samples = Samples.random(LinearStep.BATCH, LinearStep.INPUTS);
  private final Tensor images =
      torch.from_blob(
          new FloatPointer(samples.images()),
          new long[] {LinearStep.BATCH, LinearStep.INPUTS},
          new TensorOptions(ScalarType.Float));
  private final Tensor labels =
      torch.from_blob(
          new LongPointer(samples.labels()),
          new long[] {LinearStep.BATCH},
          new TensorOptions(ScalarType.Long));
  private final SGD sgd = new SGD(linear.parameters(), new SGDOptions(LinearStep.LEARNING_RATE));

  void run() {
    sgd.zero_grad();
    try (Tensor logits = linear.forward(images);
        Tensor loss = torch.cross_entropy(logits, labels)) {
      loss.backward();
    }
    sgd.step().close();
  }
}
