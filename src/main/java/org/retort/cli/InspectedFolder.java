package org.retort.cli;

import java.awt.image.BufferedImage;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.ToIntFunction;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.retort.data.FolderInspection;
import org.retort.data.FolderParts;
import org.retort.data.ImageFolder.BrokenFile;
import org.retort.data.ImageShape;
import org.retort.data.PictureReader;
import org.retort.data.PictureSize;

/**
 * A folder of pictures.
 *
 * @param folder the folder as typed
 * @param parts the parts of the folder
 * @param train the findings in the training part, or in the folder itself
 * @param test the findings in the test part
 */
record InspectedFolder(
    Path folder, FolderParts parts, FolderInspection train, Optional<FolderInspection> test)
    implements Inspection {
  private static final int MOST_BROKEN = 10;
  private static final int SAMPLE_SIDE = 96;
  private static final String ONLY_PART = "pictures";

  private record Document(String data, String kind, List<Part> parts) {}

  private record Part(
      String name,
      String folder,
      int pictures,
      Map<String, Integer> classes,
      @Nullable Sizes sizes,
      Map<String, Integer> formats,
      int grey,
      int turned,
      List<Broken> broken,
      int otherFiles) {}

  private record Sizes(
      PictureSize smallest, PictureSize median, PictureSize largest, Sides shorterSide) {}

  private record Sides(int smallest, int median, int largest) {}

  private record Broken(String file, String reason) {}

  /** Inspects a folder, whether it has one part or two. */
  static InspectedFolder of(Path folder, int threads, FolderInspection.Progress progress) {
    FolderParts parts = FolderParts.of(folder);
    FolderInspection train = FolderInspection.of(parts.train(), threads, progress);
    return new InspectedFolder(
        folder,
        parts,
        train,
        parts.test().map(test -> FolderInspection.of(test, threads, progress)));
  }

  /** Returns the first folder that must have pictures but has none, not even broken ones. */
  Optional<Path> empty() {
    Optional<Path> ofTrain =
        train.classNames().stream()
            .filter(name -> train.files(name) == 0)
            .map(name -> parts.train().resolve(name))
            .findFirst();
    return ofTrain.or(
        () ->
            parts
                .test()
                .filter(path -> test.get().pictures() + test.get().brokenFiles().size() == 0));
  }

  private Stream<FolderInspection> all() {
    return Stream.concat(Stream.of(train), test.stream());
  }

  private String trainName() {
    return test.isPresent() ? nameOf(parts.train()) : ONLY_PART;
  }

  private static String nameOf(Path path) {
    return path.getFileName().toString();
  }

  private ClassCounts counts() {
    List<String> names = new ArrayList<>(train.classNames());
    names.addAll(onlyInTest());
    ClassCounts counts =
        ClassCounts.of(names).with(trainName(), names.stream().map(train::pictures).toList());
    return test.isEmpty()
        ? counts
        : counts.with(
            nameOf(parts.test().get()), names.stream().map(test.get()::pictures).toList());
  }

  private List<String> onlyInTest() {
    return test.stream()
        .flatMap(part -> part.classNames().stream())
        .filter(name -> !train.hasClass(name))
        .toList();
  }

  private List<String> onlyInTrain() {
    return test.isEmpty()
        ? List.of()
        : train.classNames().stream().filter(name -> !test.get().hasClass(name)).toList();
  }

  @Override
  public String text(int width) {
    StringBuilder text = new StringBuilder();
    int pictures = sum(FolderInspection::pictures);
    line(
        text,
        folder
            + ": "
            + Inspection.count(pictures, "picture", "pictures")
            + " in "
            + Inspection.count(train.classNames().size(), "class", "classes"));
    line(text, "");
    text.append(counts().text(width));
    line(text, "");
    text.append(TableReport.align(facts()));
    List<BrokenFile> broken = all().flatMap(part -> part.brokenFiles().stream()).toList();
    broken.stream().limit(MOST_BROKEN).forEach(file -> line(text, "  " + file.reason()));
    if (broken.size() > MOST_BROKEN) {
      line(text, "  … and " + (broken.size() - MOST_BROKEN) + " more, see --json");
    }
    return text.toString();
  }

  private static void line(StringBuilder text, String line) {
    text.append(line).append(System.lineSeparator());
  }

  private int sum(ToIntFunction<FolderInspection> ofPart) {
    return all().mapToInt(ofPart).sum();
  }

  private List<List<String>> facts() {
    List<List<String>> facts = new ArrayList<>();
    int pictures = sum(FolderInspection::pictures);
    if (pictures > 0) {
      addPictureFacts(facts, pictures);
    }
    addClassFacts(facts);
    int others = sum(FolderInspection::otherFiles);
    facts.add(List.of("other files", others == 0 ? "none" : others + " skipped by their names"));
    int broken = sum(part -> part.brokenFiles().size());
    facts.add(
        List.of("broken files", broken == 0 ? "none" : broken + " of " + (pictures + broken)));
    return facts;
  }

  private void addPictureFacts(List<List<String>> facts, int pictures) {
    Sizes sizes = sizes(all());
    facts.add(
        List.of(
            "size",
            "smallest %s, median %s, largest %s"
                .formatted(shown(sizes.smallest), shown(sizes.median), shown(sizes.largest))));
    Sides sides = sizes.shorterSide;
    facts.add(
        List.of(
            "shorter side",
            "%d to %d, median %d".formatted(sides.smallest, sides.largest, sides.median)));
    facts.add(List.of("formats", formats()));
    int grey = sum(FolderInspection::grey);
    facts.add(List.of("colour", grey + " grey, " + (pictures - grey) + " in colour"));
    int turned = sum(FolderInspection::turned);
    facts.add(List.of("orientation", turned == 0 ? "all upright" : turned + " turned when read"));
  }

  private void addClassFacts(List<List<String>> facts) {
    if (train.classNames().size() == 1) {
      facts.add(List.of("classes", "only one, and training needs two"));
    }
    if (!onlyInTrain().isEmpty()) {
      facts.add(List.of("only in " + trainName(), Inspection.listed(onlyInTrain())));
    }
    if (!onlyInTest().isEmpty()) {
      facts.add(
          List.of(
              "only in " + nameOf(parts.test().get()),
              Inspection.listed(onlyInTest()) + ", which training refuses"));
    }
    List<String> broken =
        train.classNames().stream().filter(name -> train.pictures(name) == 0).toList();
    if (!broken.isEmpty()) {
      facts.add(
          List.of(
              "all broken",
              "every file of " + Inspection.listed(broken) + ", which training refuses"));
    }
  }

  private String formats() {
    Map<String, Integer> formats = new LinkedHashMap<>();
    all()
        .forEach(
            part ->
                part.formats().forEach((name, count) -> formats.merge(name, count, Integer::sum)));
    return formats.entrySet().stream()
        .map(entry -> entry.getValue() + " " + entry.getKey())
        .collect(Collectors.joining(", "));
  }

  private static String shown(PictureSize size) {
    return size.width() + " × " + size.height();
  }

  /** Returns a summary of the sizes of at least one picture. */
  private static Sizes sizes(Stream<FolderInspection> parts) {
    SortedMap<PictureSize, Integer> counts = new TreeMap<>();
    SortedMap<Integer, Integer> sides = new TreeMap<>();
    parts
        .flatMap(part -> part.sizes().entrySet().stream())
        .forEach(
            entry -> {
              counts.merge(entry.getKey(), entry.getValue(), Integer::sum);
              sides.merge(entry.getKey().shorterSide(), entry.getValue(), Integer::sum);
            });
    return new Sizes(
        counts.firstKey(),
        median(counts),
        counts.lastKey(),
        new Sides(sides.firstKey(), median(sides), sides.lastKey()));
  }

  /** Returns the median, the lower of the two middle values if their number is even. */
  private static <T> T median(SortedMap<T, Integer> counts) {
    long middle = (counts.values().stream().mapToLong(Integer::longValue).sum() - 1) / 2;
    long before = 0;
    for (Map.Entry<T, Integer> entry : counts.entrySet()) {
      before += entry.getValue();
      if (before > middle) {
        return entry.getKey();
      }
    }
    return counts.lastKey();
  }

  @Override
  public Object document() {
    ClassCounts counts = counts();
    List<Part> documents = new ArrayList<>();
    documents.add(document(trainName(), parts.train(), train, counts));
    test.ifPresent(
        part -> {
          Path path = parts.test().get();
          documents.add(document(nameOf(path), path, part, counts));
        });
    return new Document(folder.toString(), "folder", documents);
  }

  private static Part document(String name, Path path, FolderInspection part, ClassCounts counts) {
    return new Part(
        name,
        path.toString(),
        part.pictures(),
        counts.of(name),
        part.pictures() == 0 ? null : sizes(Stream.of(part)),
        part.formats(),
        part.grey(),
        part.turned(),
        part.brokenFiles().stream()
            .map(file -> new Broken(file.file().toString(), file.reason()))
            .toList(),
        part.otherFiles());
  }

  @Override
  public List<SamplesPicture.Row> samples() {
    List<String> names =
        train.classNames().stream().filter(name -> train.pictures(name) > 0).toList();
    if (names.isEmpty()) {
      return List.of();
    }
    int side = Math.min(SAMPLE_SIDE, Math.max(2, sizes(Stream.of(train)).shorterSide.median));
    int channels = train.grey() == train.pictures() ? 1 : 3;
    PictureReader reader = PictureReader.of(new ImageShape(channels, side, side));
    return SamplesPicture.evenly(names.size(), SamplesPicture.MOST_ROWS)
        .mapToObj(names::get)
        .map(
            name ->
                new SamplesPicture.Row(
                    name,
                    Inspection.count(train.pictures(name), "picture", "pictures"),
                    train.examples(name).stream().map(file -> picture(reader, file)).toList()))
        .toList();
  }

  private static BufferedImage picture(PictureReader reader, Path file) {
    return ReportSample.image(reader.shape(), reader.read(file)).orElseThrow();
  }
}
