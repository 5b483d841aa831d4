package org.retort.cli;

import java.awt.image.BufferedImage;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.retort.data.Dataset;
import org.retort.data.ImageShape;
import org.retort.recipes.DatasetParts;

/**
 * Data in MNIST or CIFAR files.
 *
 * @param folder the folder as typed
 * @param kind the kind of the files
 * @param parts the parts of the data
 */
record InspectedDataset(Path folder, String kind, DatasetParts parts) implements Inspection {
  private static final String TRAIN = "train";
  private static final String TEST = "test";

  private record Document(String data, String kind, ImageShape shape, Map<String, Part> parts) {}

  private record Part(int samples, Map<String, Integer> classes) {}

  private List<String> names() {
    return ClassNames.of(parts.train().classNames(), parts.train().classes());
  }

  private ClassCounts counts() {
    ClassCounts counts = ClassCounts.of(names()).with(TRAIN, counts(parts.train()));
    return parts.test().isEmpty() ? counts : counts.with(TEST, counts(parts.test().get()));
  }

  private static List<Integer> counts(Dataset data) {
    int[] counts = new int[data.classes()];
    for (int i = 0; i < data.size(); i++) {
      counts[data.label(i)]++;
    }
    return IntStream.of(counts).boxed().toList();
  }

  @Override
  public String text(int width) {
    ImageShape shape = parts.train().shape();
    String end = System.lineSeparator();
    return "%s: %s, %d × %d pixels %s, in %s"
            .formatted(
                folder,
                sizes(),
                shape.width(),
                shape.height(),
                shape.channels() == 1 ? "in grey" : "in colour",
                Inspection.count(parts.train().classes(), "class", "classes"))
        + end
        + end
        + counts().text(width)
        + absent();
  }

  private String sizes() {
    String train = Inspection.count(parts.train().size(), "picture", "pictures");
    return parts
        .test()
        .map(test -> train + " to train and " + test.size() + " to test")
        .orElse(train);
  }

  /** Returns a line about the classes without training pictures. */
  private String absent() {
    List<Integer> counts = counts(parts.train());
    List<String> absent =
        IntStream.range(0, counts.size())
            .filter(i -> counts.get(i) == 0)
            .mapToObj(names()::get)
            .toList();
    String end = System.lineSeparator();
    return absent.isEmpty()
        ? ""
        : end + "no picture in " + TRAIN + ": " + Inspection.listed(absent) + end;
  }

  @Override
  public Object document() {
    ClassCounts counts = counts();
    Map<String, Part> documents = new LinkedHashMap<>();
    documents.put(TRAIN, new Part(parts.train().size(), counts.of(TRAIN)));
    parts.test().ifPresent(test -> documents.put(TEST, new Part(test.size(), counts.of(TEST))));
    return new Document(folder.toString(), kind, parts.train().shape(), documents);
  }

  @Override
  public List<SamplesPicture.Row> samples() {
    Dataset train = parts.train();
    List<List<Integer>> ofClasses =
        Stream.generate(() -> (List<Integer>) new ArrayList<Integer>())
            .limit(train.classes())
            .toList();
    for (int i = 0; i < train.size(); i++) {
      ofClasses.get(train.label(i)).add(i);
    }
    List<Integer> present =
        IntStream.range(0, train.classes())
            .filter(label -> !ofClasses.get(label).isEmpty())
            .boxed()
            .toList();
    return SamplesPicture.evenly(present.size(), SamplesPicture.MOST_ROWS)
        .mapToObj(i -> row(present.get(i), ofClasses.get(present.get(i))))
        .toList();
  }

  private SamplesPicture.Row row(int label, List<Integer> indices) {
    List<BufferedImage> pictures =
        SamplesPicture.evenly(indices.size(), SamplesPicture.MOST_PICTURES)
            .mapToObj(i -> picture(indices.get(i)))
            .flatMap(Optional::stream)
            .toList();
    return new SamplesPicture.Row(
        names().get(label), Inspection.count(indices.size(), "picture", "pictures"), pictures);
  }

  private Optional<BufferedImage> picture(int index) {
    FloatBuffer values = FloatBuffer.allocate(parts.train().shape().values());
    parts.train().read(index, values);
    return ReportSample.image(parts.train().shape(), values.array());
  }
}
