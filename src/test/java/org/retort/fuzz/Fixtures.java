package org.retort.fuzz;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.bytedeco.pytorch.global.torch;
import org.retort.data.Batch;
import org.retort.data.Batches;
import org.retort.data.Dataset;
import org.retort.losses.KdLoss;
import org.retort.losses.ProgramLoss;
import org.retort.models.ExportedNetwork;
import org.retort.models.Mlp;
import org.retort.models.Network;
import org.retort.models.ResNet;
import org.retort.models.TorchScriptNetwork;
import org.retort.testing.OwnLosses;
import org.retort.testing.Program;
import org.retort.train.Sgd;
import org.retort.train.StepCheckpoint;
import org.retort.train.StepInput;
import org.retort.train.StepResult;
import org.retort.train.StoredOutputs;
import org.retort.train.StoredOutputsFormat;
import org.retort.train.StoredOutputsWriter;
import org.retort.train.Trainer;
import org.retort.train.TrainingStep;
import org.retort.train.TrainingStepBuilder;

/** What is too dear to be made for every call, and files of all kinds. */
final class Fixtures implements AutoCloseable {
  private static final Path EXPORTED = Path.of("native", "tests", "exported", "pointwise-2.10.pt2");
  static final long CLASSES = 5;
  static final long IMAGE = Program.INPUTS;

  /** After so many calls objects are made anew, whatever was done to them. */
  private static final int USES = 50;

  private final Path folder;
  private final Random random;
  private List<Path> files;
  private final DataFixtures data;
  private final List<AutoCloseable> open = new ArrayList<>();
  private Network resNet;
  private Network mlp;
  private Network torchScript;
  private Network exported;
  private TrainingStep step;
  private StepCheckpoint checkpoint;
  private StepResult result;
  private StoredOutputs outputs;
  private StoredOutputsWriter writer;
  private int uses;

  Fixtures(Path folder, Random random) throws IOException {
    this.folder = folder;
    this.random = random;
    data = new DataFixtures(Files.createDirectories(folder.resolve("data")));
    renew();
  }

  /** Makes objects and files anew, whatever was done to them. */
  void renew() throws IOException {
    renewObjects();
    files = makeFiles();
  }

  private List<Path> makeFiles() throws IOException {
    Path state = folder.resolve("state.pt");
    resNet.saveStateDict(state);
    Path mlpState = folder.resolve("mlp.pt");
    mlp.saveStateDict(mlpState);
    Path programState = folder.resolve("program.pt");
    torchScript.saveStateDict(programState);
    Path checkpoint = folder.resolve("checkpoint");
    step.save(checkpoint);
    return List.of(
        program(),
        state,
        mlpState,
        programState,
        checkpoint,
        Files.write(folder.resolve("empty"), new byte[0]),
        Files.writeString(folder.resolve("text"), "no network\n".repeat(99)),
        folder,
        folder.resolve("nothing"),
        folder.resolve("no folder").resolve("file"),
        Path.of("/dev/null"));
  }

  private Path stored() {
    return folder.resolve("outputs");
  }

  private Path program() {
    return folder.resolve("program.ts");
  }

  private void makeObjects() {
    resNet = ResNet.cifar(8, (int) CLASSES);
    resNet.probe(3, 2, 2);
    mlp = Mlp.of(IMAGE, 4, CLASSES);
    mlp.probe(3, 2, 2);
    Program.linear((int) CLASSES)
        .parameter("bias", torch.ones(CLASSES))
        .save(
            program(),
            "y = torch.linear(x.flatten(1), self.weight, self.bias)",
            "return y, {'x': x, 'layer1': x}");
    torchScript = TorchScriptNetwork.load(program());
    exported = ExportedNetwork.load(EXPORTED);
    exported.convert(torch.ScalarType.Float);
    exported.probe(3, 2, 2);
    Network teacher = TorchScriptNetwork.load(program());
    step = builder(torchScript, teacher).build();
    result = step.newResult();
    step.run(StepInput.of(new float[(int) IMAGE], new long[1]), result);
    checkpoint = step.checkpoint("note");
    writer = StoredOutputs.writer(stored(), StoredOutputsFormat.of(3, CLASSES).withTap("x", 3));
    writer.write(new long[] {1}, new float[(int) CLASSES], new float[3]);
    try (StoredOutputsWriter finished = StoredOutputs.writer(stored(), writer.format())) {
      finished.write(new long[] {1}, new float[(int) CLASSES], new float[3]);
      finished.finish();
    }
    outputs = StoredOutputs.open(stored());
    open.addAll(
        List.of(resNet, mlp, torchScript, exported, teacher, step, checkpoint, writer, outputs));
  }

  private static TrainingStepBuilder builder(Network student, Network teacher) {
    return TrainingStep.builder(student, teacher)
        .inputShape(3, 2, 2)
        .crossEntropy(0.5)
        .add(0.5, KdLoss.of(4))
        .optimizer(Sgd.of(0.01));
  }

  private void renewObjects() {
    close();
    data.renew();
    makeObjects();
    uses = 0;
  }

  /** Counts a call. */
  void used() {
    if (++uses >= USES) {
      renewObjects();
    }
  }

  /** Returns a network of a class, or any if that is an abstract one. */
  Network network(Class<?> type) {
    List<Network> networks =
        Stream.of(resNet, mlp, torchScript, exported).filter(type::isInstance).toList();
    return networks.get(random.nextInt(networks.size()));
  }

  TrainingStep step() {
    return step;
  }

  StoredOutputs outputs() {
    return outputs;
  }

  StoredOutputsWriter writer() {
    return writer;
  }

  StepCheckpoint checkpoint() {
    return checkpoint;
  }

  ProgramLoss programLoss() {
    return ProgramLoss.load(OwnLosses.PROGRAM);
  }

  StepResult result() {
    return result;
  }

  /** Starts a step that can be built as it is. */
  TrainingStepBuilder builder() {
    return random.nextBoolean() ? builder(resNet, torchScript) : builder(torchScript, resNet);
  }

  DataFixtures data() {
    return data;
  }

  /** Returns a data set of a class, or any if that is an abstract one. */
  Dataset dataset(Class<?> type) {
    List<Dataset> datasets = data.datasets(type);
    return datasets.get(random.nextInt(datasets.size()));
  }

  /** Starts a trainer of the step that can be built as it is. */
  Trainer.Builder trainer() {
    return Trainer.builder(step, batches()).epochs(2);
  }

  /** Returns batches that fit the step. */
  Batches batches() {
    return new OneBatch();
  }

  /** The same batch in every epoch. */
  private static final class OneBatch implements Batches {
    private final Batch batch = Batch.allocate(2, 3, 2, 2);

    @Override
    public int stepsPerEpoch() {
      return 1;
    }

    @Override
    public void startEpoch(int epoch) {}

    @Override
    public Batch next() {
      return batch;
    }
  }

  /** Returns a file to read or to write; that of a program is another one's. */
  Path file() {
    if (random.nextInt(3) == 0) {
      return data.files().get(random.nextInt(data.files().size()));
    }
    return random.nextBoolean()
        ? files.get(random.nextInt(files.size()))
        : folder.resolve("new" + random.nextInt(3));
  }

  @Override
  public void close() {
    for (AutoCloseable object : open) {
      try {
        object.close();
      } catch (Exception error) {
        throw new AssertionError(error);
      }
    }
    open.clear();
    data.close();
  }
}
