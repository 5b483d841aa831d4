package org.retort.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.awt.Color;
import java.awt.Graphics2D;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.Set;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;

/** What {@code retort inspect --data} tells. */
final class InspectCommandTest {
  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();

  @TempDir private Path folder;

  @Test
  void folder_greyPictures_areCounted() throws IOException {
    write("train/cat/1.png", 4, 4, Color.RED);
    write("train/dog/1.png", 4, 4, Color.RED);
    BufferedImage grey = new BufferedImage(4, 4, BufferedImage.TYPE_BYTE_GRAY);
    ImageIO.write(grey, "png", folder.resolve("train/dog/2.png").toFile());
    write("val/cat/1.png", 4, 4, Color.RED);
    Files.write(folder.resolve("val/cat/2.png"), new byte[3]);
    run("--data=folder:" + folder);
    assertThat(out.toString()).contains("1 grey, 3 in colour", "broken files   1 of 5");
  }

  @Test
  void folder_inOnePart_isToldInWords() throws IOException {
    write("cat/1.png", 40, 30, Color.RED);
    write("cat/2.jpg", 10, 90, Color.RED);
    write("cat/3.png", 40, 30, Color.RED);
    write("dog/1.png", 300, 200, Color.BLUE);
    write("dog/2.png", 300, 200, Color.BLUE);
    Files.write(folder.resolve("dog/2.png"), new byte[3]);
    Files.writeString(folder.resolve("dog/notes.txt"), "");
    run("--data=folder:" + folder);
    assertThat(out.toString().lines())
        .containsExactly(
            folder + ": 4 pictures in 2 classes",
            "",
            "class  pictures",
            "cat           3  " + "█".repeat(62),
            "dog           1  " + "█".repeat(20) + "▋",
            "",
            "size          smallest 10 × 90, median 40 × 30, largest 300 × 200",
            "shorter side  10 to 200, median 30",
            "formats       1 JPEG, 3 PNG",
            "colour        0 grey, 4 in colour",
            "orientation   all upright",
            "other files   1 skipped by their names",
            "broken files  1 of 5",
            "  the content at byte 0 of "
                + folder.resolve("dog/2.png")
                + " must be a JPEG, PNG or WebP image (got something else)",
            "",
            "a picture of samples: --samples samples.png");
  }

  @Test
  void folder_inTwoParts_tellsWhichClassesOnlyOneHas() throws IOException {
    write("train/cat/1.png", 8, 8, Color.RED);
    write("train/cat/2.png", 8, 8, Color.RED);
    write("train/dog/1.png", 8, 8, Color.BLUE);
    write("val/cat/1.png", 8, 8, Color.RED);
    write("val/yak/1.png", 8, 8, Color.RED);
    run("--data=folder:" + folder);
    assertThat(out.toString())
        .startsWith(folder + ": 5 pictures in 2 classes\n\nclass  train  val\ncat        2    1  █")
        .contains("\ndog        1    0  █", "\nyak        0    1  █")
        .contains("\nonly in train  dog\nonly in val    yak, which training refuses\n");

    run("--data=folder:" + folder, "--json");
    JsonArray parts = json().getAsJsonArray("parts");
    assertThat(parts).hasSize(2);
    JsonObject val = parts.get(1).getAsJsonObject();
    assertThat(val.get("name").getAsString()).isEqualTo("val");
    assertThat(val.get("folder").getAsString()).isEqualTo(folder.resolve("val").toString());
    assertThat(val.getAsJsonObject("classes")).hasToString("{\"cat\":1,\"dog\":0,\"yak\":1}");
  }

  @Test
  void folder_manyBrokenFiles_areAllInJson() throws IOException {
    write("cat/00.png", 20, 10, Color.RED);
    write("cat/01.png", 40, 10, Color.RED);
    Files.createDirectories(folder.resolve("dog"));
    for (int i = 10; i < 22; i++) {
      Files.write(folder.resolve("dog/" + i + ".png"), new byte[i]);
    }
    run("--data=folder:" + folder, "--threads=3");
    assertThat(out.toString())
        .contains("\ndog           0\n")
        .contains("all broken    every file of dog, which training refuses\n")
        .contains(
            "broken files  12 of 14\n", "dog/19.png must be", "\n  … and 2 more, see --json\n")
        .doesNotContain("dog/20.png");

    run("--data=folder:" + folder, "--json");
    JsonObject part = json().getAsJsonArray("parts").get(0).getAsJsonObject();
    JsonArray broken = part.getAsJsonArray("broken");
    assertThat(broken).hasSize(12);
    assertThat(broken.get(11).getAsJsonObject().get("file").getAsString())
        .isEqualTo(folder.resolve("dog/21.png").toString());
    assertThat(part.getAsJsonObject("sizes").getAsJsonObject("median").get("width").getAsInt())
        .isEqualTo(20);
    assertThat(part.getAsJsonObject("formats")).hasToString("{\"PNG\":2}");
  }

  @Test
  void folder_allBroken_isNoError() throws IOException {
    Files.createDirectories(folder.resolve("cat"));
    Files.write(folder.resolve("cat/1.png"), new byte[3]);
    Path picture = folder.resolve("samples.png");
    run("--data=folder:" + folder, "--samples=" + picture);
    assertThat(out.toString())
        .startsWith(folder + ": 0 pictures in 1 class\n")
        .contains("classes       only one, and training needs two\n", "broken files  1 of 1\n")
        .endsWith("\nno picture of samples, since there are no pictures\n");
    assertThat(picture).doesNotExist();
    run("--data=folder:" + folder, "--json");
    JsonObject part = json().getAsJsonArray("parts").get(0).getAsJsonObject();
    assertThat(part.get("sizes").isJsonNull()).isTrue();
  }

  @Test
  void samples_ofAFolder_areARowForEachClass() throws IOException {
    for (int i = 0; i < 11; i++) {
      write("red/" + i + ".png", 60, 40, Color.RED);
    }
    write("синий 青い/1.png", 40, 60, Color.BLUE);
    Path picture = folder.resolve("samples.png");
    run("--data=folder:" + folder, "--samples=" + picture);
    assertThat(out.toString()).endsWith("\n" + picture + ": 9 pictures of 2 classes\n");
    BufferedImage drawn = ImageIO.read(picture.toFile());
    // the shorter side, 40, is enlarged twice
    assertThat(drawn.getHeight()).isEqualTo(16 + 80 + 8 + 80 + 16);
    int last = drawn.getWidth() - 16 - 80 + 1;
    assertThat(drawn.getRGB(last, 17) & 0xffffff).isEqualTo(0xff0000);
    assertThat(drawn.getRGB(last, 16 + 80 + 8 + 1) & 0xffffff).isEqualTo(0xffffff);
    int first = drawn.getWidth() - 16 - 8 * (80 + 8) + 8;
    assertThat(drawn.getRGB(first, 17) & 0xffffff).isEqualTo(0xff0000);
    assertThat(drawn.getRGB(first, 16 + 80 + 8 + 1) & 0xffffff).isEqualTo(0x0000ff);
    try (var files = Files.list(folder)) {
      assertThat(files.map(file -> file.getFileName().toString()))
          .containsExactlyInAnyOrder("red", "синий 青い", "samples.png");
    }
  }

  @Test
  void csv_columns_areTold() throws IOException {
    Path file =
        Files.writeString(
            folder.resolve("animals.csv"),
            """
            age,weight,colour,note,zip,species
            3,1.5,red,,10115,cat
            4,NA,blue,,1,dog
            5,2e10,?,,2,cat
            -2.25,1000,red,,inf,cat
            """);
    run("--data=csv:" + file, "--label=species");
    assertThat(out.toString().lines())
        .containsExactly(
            file + ": 4 rows in 2 classes of species, 5 columns",
            "",
            "class  rows",
            "cat       3  " + "█".repeat(66),
            "dog       1  " + "█".repeat(22),
            "",
            "column  kind        values              missing",
            "age     numbers     -2.25 to 5          0",
            "weight  numbers     1.5 to 2.0E10       1",
            "colour  categories  2 different         1",
            "note    empty       none, so ignore it  4",
            "zip     numbers     1 to 10115          0",
            "",
            "2 rows lack a value, of which missing_values: refuse, mean or skip_row decides",
            "zip: 1 value is refused, the first in line 5");

    run("--data=csv:" + file, "--label=species", "--json");
    JsonObject document = json();
    assertThat(document.get("rows").getAsInt()).isEqualTo(4);
    assertThat(document.getAsJsonObject("classes")).hasToString("{\"cat\":3,\"dog\":1}");
    JsonObject weight = document.getAsJsonArray("columns").get(1).getAsJsonObject();
    assertThat(weight.get("kind").getAsString()).isEqualTo("numbers");
    assertThat(weight.get("missing").getAsInt()).isOne();
    assertThat(weight.get("smallest").getAsFloat()).isEqualTo(1.5f);
    assertThat(weight.get("largest").getAsFloat()).isEqualTo(2e10f);
    assertThat(weight.get("categories").isJsonNull()).isTrue();
  }

  @Test
  void csv_thatCannotBeRead_isOneLineWithTheLine() throws IOException {
    Path file = Files.writeString(folder.resolve("a.csv"), "a,kind\n1,x\n2\n");
    fails(
        "line 3 of " + file + " must have 2 fields (got 1)", "--data=csv:" + file, "--label=kind");
    fails(
        "line 1 of " + file + " must have the column \"sort\" (got \"a\", \"kind\")",
        "--data=csv:" + file,
        "--label=sort");
    fails("--label must name the column of the classes (got none)", "--data=csv:" + file);
    Files.writeString(file, "a,kind\n1,x\n");
    fails(
        "column \"kind\" of " + file + " must have two classes (got \"x\")",
        "--data=csv:" + file,
        "--label=kind");
  }

  @Test
  void idx_bothParts_areTold() throws IOException {
    writeIdx("train", 0, 1, 1, 3);
    writeIdx("t10k", 3);
    Path picture = folder.resolve("samples.png");
    run("--data=idx:" + folder, "--samples=" + picture);
    assertThat(out.toString())
        .startsWith(
            folder
                + ": 4 pictures to train and 1 to test, 4 × 6 pixels in grey, in 4 classes\n\n"
                + "class  train  test\n0          1     0  █")
        .contains("\n2          0     0\n")
        .endsWith("\nno picture in train: 2\n\n" + picture + ": 4 pictures of 3 classes\n");
    BufferedImage drawn = ImageIO.read(picture.toFile());
    assertThat(drawn.getHeight()).isEqualTo(2 * 16 + 3 * 96 + 2 * 8);
    int left = drawn.getWidth() - 16 - 2 * 64 - 8;
    // pixels are numbered; each becomes 16 × 16
    assertThat(drawn.getRGB(left + 1, 16) & 0xff).isEqualTo(0);
    assertThat(drawn.getRGB(left + 63, 16 + 95) & 0xff).isEqualTo(230);

    run("--data=idx:" + folder, "--json");
    assertThat(json().getAsJsonObject("parts").getAsJsonObject("train").getAsJsonObject("classes"))
        .hasToString("{\"0\":1,\"1\":2,\"2\":0,\"3\":1}");
    assertThat(json().getAsJsonObject("shape"))
        .hasToString("{\"channels\":1,\"height\":6,\"width\":4}");
  }

  @Test
  void cifar_parts_areTold() throws IOException {
    for (int i = 1; i <= 5; i++) {
      Files.write(folder.resolve("data_batch_" + i + ".bin"), cifar(i));
    }
    Files.write(folder.resolve("test_batch.bin"), cifar(9));
    Files.writeString(
        folder.resolve("batches.meta.txt"),
        "plane\ncar\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n");
    run("--data=cifar:" + folder);
    assertThat(out.toString())
        .startsWith(
            folder
                + ": 5 pictures to train and 1 to test, 32 × 32 pixels in colour, in 10 classes\n\n"
                + "class  train  test\nplane      0     0\ncar        1     0  █")
        .contains("\nno picture in train: plane, frog, horse, ship, truck\n");
    run("--json", "--data=cifar:" + folder);
    assertThat(out.toString()).contains("\"train\"", "\"test\"");
    Files.delete(folder.resolve("data_batch_5.bin"));
    fails(
        "file must exist (got " + folder.resolve("data_batch_5.bin") + ")",
        "--data=cifar:" + folder);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "foldr:a | folder:<path>, csv:<file>, idx:<folder> or cifar:<folder> (got foldr:a, did you"
            + " mean folder?)",
        "sql:a | folder:<path>, csv:<file>, idx:<folder> or cifar:<folder> (got sql:a)",
        "folder: | folder:<path>, csv:<file>, idx:<folder> or cifar:<folder> (got folder:)",
        "src | folder:<path>, csv:<file>, idx:<folder> or cifar:<folder> (got src, did you mean"
            + " folder:src?)",
        "pom.xml | folder:<path>, csv:<file>, idx:<folder> or cifar:<folder> (got pom.xml, did you"
            + " mean csv:pom.xml?)",
        "folder:none | an existing folder (got none)",
        "folder:pom.xml | an existing folder (got pom.xml, a file)",
        "idx:none | an existing folder (got none)",
        "cifar:pom.xml | an existing folder (got pom.xml, a file)",
        "csv:none | an existing file (got none)",
        "csv:src | an existing file (got src, a folder)"
      })
  void data_thatIsNotThere_isOneLineAndExitCode2(String data, String message) {
    if (data.startsWith("csv:")) {
      fails("--data must be " + message, "--data", data, "--label=class");
    } else {
      fails("--data must be " + message, "--data", data);
    }
  }

  @Test
  void folder_empty_isOneLineAndExitCode2() throws IOException {
    fails(
        "folder must have a folder of images for each class (got none in " + folder + ")",
        "--data=folder:" + folder);
    write("cat/1.png", 8, 8, Color.RED);
    Files.createDirectories(folder.resolve("dog"));
    fails(
        "--data must have images in every class (got none in " + folder.resolve("dog") + ")",
        "--data=folder:" + folder);
  }

  @Test
  void folder_testPartWithoutPictures_isOneLineAndExitCode2() throws IOException {
    write("train/cat/1.png", 8, 8, Color.RED);
    Files.createDirectories(folder.resolve("test/cat"));
    fails(
        "--data must have images in every class (got none in " + folder.resolve("test") + ")",
        "--data=folder:" + folder);
  }

  @Test
  void folder_oneClass_isTold() throws IOException {
    write("cat/1.png", 8, 8, Color.RED);
    run("--data=folder:" + folder);
    assertThat(out.toString())
        .startsWith(folder + ": 1 picture in 1 class\n")
        .contains("\nclasses       only one, and training needs two\n");
  }

  @Test
  void folder_withoutPermission_isOneLineAndExitCode2() throws IOException {
    write("cat/1.png", 8, 8, Color.RED);
    Path cat = folder.resolve("cat");
    Files.setPosixFilePermissions(cat, Set.of());
    assumeFalse(Files.isReadable(cat), "root may read everything");
    fails("folder must be readable (got " + cat + ")", "--data=folder:" + folder);
    Files.setPosixFilePermissions(cat, PosixFilePermissions.fromString("rwx------"));
  }

  @Test
  void options_thatDoNotGoTogether_areOneLineAndExitCode2() throws IOException {
    fails("either <file.pt2> or --data must be given (got none)");
    fails("either <file.pt2> or --data must be given (got both)", "pom.xml", "--data=folder:src");
    fails("--json must be used with --data (got pom.xml)", "pom.xml", "--json");
    fails("--label must be used with --data (got pom.xml)", "pom.xml", "--label=a");
    fails("--label must be used with a table (got folder:src)", "--data=folder:src", "--label=a");
    fails(
        "--samples must be used with images (got csv:pom.xml)",
        "--data=csv:pom.xml",
        "--label=a",
        "--samples=a.png");
    fails("--samples must end in .png (got a.jpg)", "--data=folder:src", "--samples=a.jpg");
    fails(
        "--samples must be a file in an existing folder (got none/a.png)",
        "--data=folder:src",
        "--samples=none/a.png");
    fails("--threads must be between 1 and 1024 (got 0)", "--data=folder:src", "--threads=0");
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "a@|bold b|@", "日本語", "e\u0301"})
  void folder_namesOfAnyLetters_areAligned(String name) throws IOException {
    String other = "twelve chars";
    write(other + "/1.png", 8, 8, Color.RED);
    write("x" + name + "/1.png", 8, 8, Color.RED);
    run("--data=folder:" + folder);
    int width =
        1
            + switch (name) {
              case "日本語" -> 6;
              case "e\u0301" -> 1;
              default -> name.length();
            };
    String shown = name.equals("e\u0301") ? "\u00e9" : name;
    assertThat(out.toString())
        .contains("\n" + other + "         1  █")
        .contains("\nx" + shown + " ".repeat(12 - width) + "         1  █");
  }

  private void write(String name, int width, int height, Color color) throws IOException {
    Path file = folder.resolve(name);
    Files.createDirectories(file.getParent());
    BufferedImage image = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
    Graphics2D graphics = image.createGraphics();
    graphics.setColor(color);
    graphics.fillRect(0, 0, width, height);
    graphics.dispose();
    ImageIO.write(image, name.endsWith("png") ? "png" : "jpg", file.toFile());
  }

  /** Writes images of 6 × 4 whose pixels are ten times their numbers. */
  private void writeIdx(String part, int... labels) throws IOException {
    ByteBuffer images = ByteBuffer.allocate(16 + labels.length * 24);
    images.putInt(0x803).putInt(labels.length).putInt(6).putInt(4);
    ByteBuffer classes = ByteBuffer.allocate(8 + labels.length);
    classes.putInt(0x801).putInt(labels.length);
    for (int label : labels) {
      classes.put((byte) label);
      for (int pixel = 0; pixel < 24; pixel++) {
        images.put((byte) (10 * pixel));
      }
    }
    Files.write(folder.resolve(part + "-images-idx3-ubyte"), images.array());
    Files.write(folder.resolve(part + "-labels-idx1-ubyte"), classes.array());
  }

  private static byte[] cifar(int label) {
    byte[] record = new byte[3073];
    Arrays.fill(record, (byte) 7);
    record[0] = (byte) label;
    return record;
  }

  private JsonObject json() {
    return JsonParser.parseString(out.toString()).getAsJsonObject();
  }

  private void run(String... options) {
    assertThat(execute(options)).as(err.toString()).isZero();
    assertThat(err.toString()).isEmpty();
  }

  private void fails(String message, String... options) {
    assertThat(execute(options)).isEqualTo(2);
    assertThat(err.toString()).isEqualTo("retort inspect: " + message + "\n");
    assertThat(out.toString()).isEmpty();
  }

  private int execute(String... options) {
    out.getBuffer().setLength(0);
    err.getBuffer().setLength(0);
    String[] arguments = new String[options.length + 1];
    arguments[0] = "inspect";
    System.arraycopy(options, 0, arguments, 1, options.length);
    CommandLine command = Main.commandLine();
    command.setOut(new PrintWriter(out, true)).setErr(new PrintWriter(err, true));
    return command.execute(arguments);
  }
}
