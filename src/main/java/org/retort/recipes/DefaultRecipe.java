package org.retort.recipes;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.retort.FileException;
import org.retort.data.FolderParts;
import org.retort.data.FolderSample;
import org.retort.data.Table;
import org.retort.models.ExportedNetwork;

/**
 * A generated recipe for your own data: sensible defaults, as text that can be saved and edited.
 *
 * @param data the data
 * @param teacher a network's name, or the file of a program
 * @param teacherWeights a state dict for the teacher, which is then not trained
 * @param student a network's name, or the file of a program
 * @param losses the names of the losses that the student learns by, all at once
 * @param epochs epochs of the student
 * @param teacherEpochs epochs of a teacher that has to be trained
 */
public record DefaultRecipe(
    DataSpec data,
    Optional<String> teacher,
    Optional<Path> teacherWeights,
    Optional<String> student,
    List<String> losses,
    int epochs,
    int teacherEpochs) {
  /** The default number of epochs that a network is trained for. */
  public static final int EPOCHS = 30;

  private static final List<String> LOSSES = List.of("kd");

  /** Larger pictures need networks that downsample them right away. */
  private static final int MOST_OF_CIFAR = 64;

  private static final int MOST_BATCH = 64;
  private static final int SIZE = 224;
  private static final int RESIZE = 256;

  /** The factor by which ImageNet networks downsample images. */
  private static final int MULTIPLE = 32;

  /** Matches the shape of the images in the description of a program. */
  private static final Pattern IMAGES = Pattern.compile("images \\[[^,]+, \\d+, (\\d+), \\1\\]");

  private static final String NAME_OF_FILE = "recipe";

  /** The terms, with the weights of RepDistiller's scripts, beside a cross-entropy of 1. */
  private static final Map<String, String> TERMS = terms();

  private static Map<String, String> terms() {
    Map<String, String> terms = new LinkedHashMap<>();
    terms.put("kd", "{loss: kd, weight: 1, temperature: 4}");
    terms.put("dkd", "{loss: dkd, weight: 1, temperature: 4, alpha: 1, beta: 2}");
    terms.put("fsp", "{loss: fsp, weight: 1, adapt_channels: true, taps: [layers]}");
    terms.put("nst", "{loss: nst, weight: 50, kernel: polynomial, taps: [layers]}");
    terms.put("ofd", "{loss: ofd, weight: 0.5, taps: [layers.pre]}");
    terms.put(
        "crd", "{loss: crd, weight: 0.8, negatives: 1024, dimension: 128, taps: [embedding]}");
    return terms;
  }

  /**
   * Returns the defaults for data, with KD as the only loss.
   *
   * @param data the data
   * @return the recipe, not built yet
   */
  public static DefaultRecipe of(DataSpec data) {
    return new DefaultRecipe(
        data, Optional.empty(), Optional.empty(), Optional.empty(), LOSSES, EPOCHS, EPOCHS);
  }

  /**
   * Sets the networks and losses.
   *
   * @param otherTeacher a network's name, or the file of a program; the default if empty
   * @param weights a state dict for the teacher
   * @param otherStudent a network's name, or the file of a program; the default if empty
   * @param otherLosses names from {@link #knownLosses}; the default if there are none
   * @return a changed copy
   */
  public DefaultRecipe with(
      Optional<String> otherTeacher,
      Optional<Path> weights,
      Optional<String> otherStudent,
      List<String> otherLosses) {
    return new DefaultRecipe(
        data,
        otherTeacher,
        weights,
        otherStudent,
        otherLosses.isEmpty() ? LOSSES : otherLosses.stream().distinct().toList(),
        epochs,
        teacherEpochs);
  }

  /**
   * Sets how long networks are trained.
   *
   * @param ofStudent epochs of the student, at least 1
   * @param ofTeacher epochs of a teacher that has to be trained, at least 1
   * @return a changed copy
   */
  public DefaultRecipe withEpochs(int ofStudent, int ofTeacher) {
    return new DefaultRecipe(data, teacher, teacherWeights, student, losses, ofStudent, ofTeacher);
  }

  /**
   * Returns the names of the losses that have defaults.
   *
   * @return the names
   */
  public static List<String> knownLosses() {
    return List.copyOf(TERMS.keySet());
  }

  /**
   * The properties of the data, and of a teacher that takes only one size, that decide the
   * defaults.
   */
  private record Facts(int samples, int side, boolean isGrey, OptionalInt sizeOfTeacher) {
    boolean isLarge() {
      return size() > MOST_OF_CIFAR;
    }

    /**
     * Returns the size that networks see: all of small pictures, a multiple of 32 pixels of others.
     */
    int size() {
      return sizeOfTeacher.orElse(
          side <= MOST_OF_CIFAR ? side : Math.min(SIZE, side / MULTIPLE * MULTIPLE));
    }
  }

  /**
   * Inspects the data and builds the recipe.
   *
   * @return the recipe, with its text
   * @throws RecipeException if the data can't be read, or a name is unknown
   */
  public Recipe recipe() {
    return RecipeReader.read(NAME_OF_FILE, text());
  }

  private String text() {
    Facts facts = facts();
    List<String> lines = new ArrayList<>();
    lines.add("name: " + quoted(data.name()));
    lines.add("source: defaults for data of your own");
    lines.add("");
    lines.add("data:");
    lines.addAll(data.isTable() ? tableLines() : imageLines(facts));
    lines.add("");
    lines.add("teacher:");
    lines.addAll(teacherLines(facts));
    lines.add("");
    lines.add("student:");
    lines.add("  network: " + quoted(student.orElseGet(() -> smallNetwork(facts))));
    lines.add("  epochs: " + epochs);
    lines.add("  batch: " + batch(facts));
    lines.add("");
    lines.add("optimizer:");
    lines.add("  name: sgd");
    lines.add("  learning_rate: 0.05");
    lines.add("  momentum: 0.9");
    lines.add("  weight_decay: 5e-4");
    lines.add("  schedule: {name: cosine}");
    lines.add("");
    lines.add("methods:");
    lines.add("  student:");
    lines.add("    title: student alone");
    lines.add("    stages: [{cross_entropy: 1}]");
    lines.addAll(methodLines());
    return lines.stream().collect(Collectors.joining("\n", "", "\n"));
  }

  private List<String> tableLines() {
    return List.of(
        "  csv: " + quoted(data.path().toString()),
        "  label: " + quoted(data.label().orElseThrow()),
        "  validation: 0.2",
        "  missing_values: mean");
  }

  private List<String> imageLines(Facts facts) {
    List<String> lines = new ArrayList<>();
    lines.add("  " + data.kind() + ": " + quoted(data.path().toString()));
    if (!data.kind().equals("folder")) {
      lines.add("  augmentation: {crop: 2}");
      return lines;
    }
    lines.add("  broken: refuse # or skip");
    lines.add("  channels: " + (facts.isGrey() ? 1 : 3));
    lines.add("  size: " + facts.size());
    if (facts.isLarge()) {
      lines.add("  resize: " + Math.max(facts.size(), Math.min(RESIZE, facts.side())));
    }
    if (FolderParts.of(data.path()).test().isEmpty()) {
      lines.add("  validation: 0.2");
    }
    if (!facts.isGrey()) {
      lines.add("  normalization: imagenet");
    }
    lines.add(
        facts.isLarge()
            ? "  augmentation: {random_resized_crop: {scale: [0.25, 1]}, flip: true}"
            : "  augmentation: {crop: 2, flip: true}");
    return lines;
  }

  private List<String> teacherLines(Facts facts) {
    List<String> lines = new ArrayList<>();
    String network = teacher.orElseGet(() -> largeNetwork(facts));
    boolean isProgram = NetworkRecipe.isProgram(network);
    lines.add("  network: " + quoted(isProgram ? absolute(Path.of(network)) : network));
    teacherWeights.ifPresent(file -> lines.add("  weights: " + quoted(absolute(file))));
    if (!isProgram && teacherWeights.isEmpty()) {
      lines.add("  epochs: " + teacherEpochs);
      lines.add("  batch: " + batch(facts));
    }
    return lines;
  }

  private List<String> methodLines() {
    List<String> lines = new ArrayList<>();
    lines.add("  " + String.join("-", losses) + ":");
    lines.add(
        "    title: "
            + losses.stream()
                .map(loss -> loss.toUpperCase(Locale.ROOT))
                .collect(Collectors.joining(" + ")));
    lines.add("    stages:");
    lines.add("      - cross_entropy: 1");
    lines.add("        terms:");
    losses.forEach(loss -> lines.add("          - " + TERMS.get(loss)));
    return lines;
  }

  private String largeNetwork(Facts facts) {
    if (data.isTable()) {
      return "mlp_256_256";
    }
    return facts.isLarge() ? "resnet18" : "resnet20";
  }

  private String smallNetwork(Facts facts) {
    if (data.isTable()) {
      return "mlp_32";
    }
    return facts.isLarge() ? "mobilenet_v2" : "resnet8";
  }

  /** Returns a size that gives several steps per epoch, however few samples there are. */
  private static int batch(Facts facts) {
    int most = facts.isLarge() ? MOST_BATCH / 2 : MOST_BATCH;
    return Math.max(1, Math.min(most, facts.samples() / 4));
  }

  private Facts facts() {
    try {
      return switch (data.kind()) {
        case "folder" -> {
          FolderSample sample = FolderSample.of(data.path());
          yield new Facts(
              sample.pictures(), sample.shorterSide(), sample.isGrey(), sizeOfTeacher());
        }
        case "csv" ->
            ofRows(Table.read(data.path(), TableData.options(data.label().orElseThrow())).size());
        case "idx" -> ofRows(IdxFiles.of(data.path()).train().size());
        default -> ofRows(CifarFiles.any(data.path()).train().size());
      };
    } catch (RecipeException wrong) {
      throw wrong;
    } catch (FileException | IllegalArgumentException wrong) {
      throw RecipeException.at("data", wrong);
    }
  }

  /** Returns the facts of data whose shape does not depend on the networks. */
  private static Facts ofRows(int samples) {
    return new Facts(samples, 1, false, OptionalInt.empty());
  }

  /** Returns the side of the images that an exported teacher takes, if it takes only one size. */
  private OptionalInt sizeOfTeacher() {
    if (teacher.filter(name -> name.endsWith(NetworkRecipe.EXPORTED)).isEmpty()) {
      return OptionalInt.empty();
    }
    Matcher images = IMAGES.matcher(described(Path.of(teacher.get())));
    return images.find() ? OptionalInt.of(Integer.parseInt(images.group(1))) : OptionalInt.empty();
  }

  private static String described(Path program) {
    try {
      return ExportedNetwork.describe(program);
    } catch (FileException wrong) {
      throw RecipeException.at("teacher", wrong);
    }
  }

  private static String absolute(Path file) {
    return file.toAbsolutePath().normalize().toString();
  }

  /** Returns a text quoted for YAML, whatever characters it has. */
  private static String quoted(String text) {
    return text.matches("[\\w./-]*[A-Za-z][\\w./-]*")
        ? text
        : "\"" + text.replace("\\", "\\\\").replace("\"", "\\\"") + "\"";
  }
}
