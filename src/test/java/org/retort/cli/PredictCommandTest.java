package org.retort.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.awt.Color;
import java.awt.Graphics2D;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.retort.Retort;
import org.retort.data.Table;
import org.retort.data.TableColumns;
import org.retort.data.TableOptions;
import org.retort.models.ModelDescription;
import org.retort.models.Network;
import org.retort.models.Networks;
import org.retort.models.Prediction;
import org.retort.models.Predictor;
import org.retort.models.Preprocessing;
import org.retort.models.ResNet;
import org.retort.models.SavedModel;
import picocli.CommandLine;

/** What a saved network sees in pictures and tables. */
final class PredictCommandTest {
  private static final List<String> NAMES = List.of("cat", "polar bear", "dog");

  @TempDir private static Path models;
  private static Path ofPictures;
  private static Path ofTables;
  private static TableColumns columns;

  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();

  @TempDir private Path folder;

  @BeforeAll
  static void saveModels() throws IOException {
    Retort.manualSeed(1);
    ofPictures = models.resolve("pictures");
    ofTables = models.resolve("tables");
    try (Network network = ResNet.cifar(8, NAMES.size())) {
      network.probe(3, 8, 8);
      SavedModel.save(
          ofPictures, network, ModelDescription.of("resnet8").withClassNames(NAMES).withResize(10));
    }
    Path csv = models.resolve("table.csv");
    Files.writeString(csv, "size,colour,kind\n1,red,rose\n2,blue,violet\n3,red,rose\n");
    columns = Table.read(csv, TableOptions.of("kind")).fit();
    try (Network network = Networks.create("mlp_4", 2, columns.features())) {
      network.setPreprocessing(
          Preprocessing.of(columns.features())
              .withNormalization(columns.mean(), columns.deviation()));
      network.probe(columns.features());
      SavedModel.save(ofTables, network, ModelDescription.of("mlp_4").withColumns(columns));
    }
  }

  @Test
  void pictures_areALineEach_asThePredictorSeesThem() throws IOException {
    List<Path> files = List.of(picture("a.png", Color.RED), picture("longer name.png", Color.BLUE));
    assertThat(predict(ofPictures, files, "--top=2")).isZero();
    assertThat(err.toString()).isEmpty();
    List<String> lines = out.toString().lines().toList();
    assertThat(lines).hasSize(2);
    try (Predictor predictor = Predictor.load(ofPictures)) {
      for (int i = 0; i < 2; i++) {
        List<String> fields = new ArrayList<>(List.of(files.get(i).toString()));
        for (Prediction one : predictor.top(2, files.get(i))) {
          fields.add(one.name());
          fields.add(String.format(Locale.ROOT, "%.4f", one.probability()));
        }
        assertThat(lines.get(i).split(" {2,}")).containsExactlyElementsOf(fields);
      }
    }
    assertThat(lines.get(0)).hasSameSizeAs(lines.get(1)); // aligned
  }

  @Test
  void pictures_manyFiles_areInTheirOrder() throws IOException {
    List<Path> files = new ArrayList<>();
    for (int i = 0; i < 40; i++) {
      files.add(picture(i + ".png", new Color(i * 6, 255 - i * 6, i * i % 256)));
    }
    assertThat(predict(ofPictures, files, "--threads=3", "--top=1")).isZero();
    List<String> lines = out.toString().lines().toList();
    try (Predictor predictor = Predictor.load(ofPictures)) {
      for (int i = 0; i < files.size(); i++) {
        Prediction best = predictor.top(1, files.get(i)).get(0);
        assertThat(lines.get(i).split(" {2,}"))
            .containsExactly(
                files.get(i).toString(),
                best.name(),
                String.format(Locale.ROOT, "%.4f", best.probability()));
      }
    }
  }

  @Test
  void pictures_broken_areToldAndTheOthersPredicted() throws IOException {
    Path good = picture("good.png", Color.GREEN);
    Path text = Files.writeString(folder.resolve("text.jpg"), "no picture at all");
    Path none = folder.resolve("none.png");
    assertThat(predict(ofPictures, List.of(text, good, folder, none), "--top=1")).isEqualTo(2);
    assertThat(out.toString()).startsWith(good.toString()).hasLineCount(1);
    assertThat(err.toString().lines())
        .hasSize(3)
        .allSatisfy(line -> assertThat(line).startsWith("retort predict: PictureReader.read: "))
        .satisfiesExactly(
            line -> assertThat(line).contains(text + " must be a JPEG, PNG or WebP image"),
            line -> assertThat(line).endsWith("file must be a regular file (got " + folder + ")"),
            line -> assertThat(line).endsWith("file must exist (got " + none + ")"));
  }

  @Test
  void pictures_json_isAnObjectInALine() throws IOException {
    Path file = picture("a.png", Color.RED);
    assertThat(predict(ofPictures, List.of(file, file), "--json")).isZero();
    assertThat(out.toString()).hasLineCount(2);
    try (Predictor predictor = Predictor.load(ofPictures)) {
      List<Prediction> expected = predictor.top(3, file);
      for (String line : out.toString().lines().toList()) {
        JsonObject object = JsonParser.parseString(line).getAsJsonObject();
        assertThat(object.keySet()).containsExactly("file", "classes");
        assertThat(object.get("file").getAsString()).isEqualTo(file.toString());
        assertThat(object.getAsJsonArray("classes")).hasSize(3);
        for (int i = 0; i < 3; i++) {
          JsonObject one = object.getAsJsonArray("classes").get(i).getAsJsonObject();
          assertThat(one.get("label").getAsInt()).isEqualTo(expected.get(i).label());
          assertThat(one.get("name").getAsString()).isEqualTo(expected.get(i).name());
          assertThat(one.get("probability").getAsFloat()).isEqualTo(expected.get(i).probability());
        }
      }
    }
  }

  @Test
  void rows_areALineEach_whateverTheOrderOfTheColumns() throws IOException {
    Path file =
        Files.writeString(folder.resolve("new.csv"), "colour,id,size\nred,7,4\n\nblue,8,0\n");
    assertThat(predict(ofTables, List.of(file))).isZero();
    assertThat(err.toString()).isEmpty();
    try (Predictor predictor = Predictor.load(ofTables)) {
      assertThat(out.toString())
          .isEqualTo(
              line(file + ":2", predictor.top(2, Map.of("colour", "red", "size", "4")))
                  + line(file + ":4", predictor.top(2, Map.of("colour", "blue", "size", "0"))));
    }
  }

  private static String line(String place, List<Prediction> classes) {
    StringBuilder line = new StringBuilder(place);
    for (Prediction one : classes) {
      line.append(String.format(Locale.ROOT, "  %-6s  %.4f", one.name(), one.probability()));
    }
    return line + "\n";
  }

  @Test
  void rows_moreThanABatch_areAllThere() throws IOException {
    StringBuilder csv = new StringBuilder("size,colour\n");
    for (int i = 0; i < 600; i++) {
      csv.append(i % 7).append(",red\n");
    }
    Path file = Files.writeString(folder.resolve("many.csv"), csv);
    assertThat(predict(ofTables, List.of(file), "--json", "--top=1")).isZero();
    List<String> lines = out.toString().lines().toList();
    assertThat(lines).hasSize(600);
    try (Predictor predictor = Predictor.load(ofTables)) {
      for (int i : new int[] {0, 255, 256, 599}) {
        JsonObject row = JsonParser.parseString(lines.get(i)).getAsJsonObject();
        assertThat(row.keySet()).containsExactly("file", "line", "classes");
        assertThat(row.get("line").getAsInt()).isEqualTo(i + 2);
        Map<String, String> values = Map.of("size", String.valueOf(i % 7), "colour", "red");
        assertThat(row.getAsJsonArray("classes").get(0).getAsJsonObject().get("label").getAsInt())
            .isEqualTo(predictor.top(1, values).get(0).label());
      }
    }
  }

  @Test
  void rows_withALabel_tellWhatIsExpected() {
    Path file = models.resolve("table.csv");
    assertThat(predict(ofTables, List.of(file), "--json")).isZero();
    assertThat(
            out.toString()
                .lines()
                .map(line -> JsonParser.parseString(line).getAsJsonObject())
                .map(row -> row.get("expected").getAsString()))
        .containsExactly("rose", "violet", "rose");
  }

  @Test
  void rows_brokenTable_isToldAndTheOthersPredicted() throws IOException {
    Path broken = Files.writeString(folder.resolve("broken.csv"), "size,colour\n1,red\nx,red\n");
    Path good = Files.writeString(folder.resolve("good.csv"), "size,colour\n1,red\n");
    assertThat(predict(ofTables, List.of(broken, good))).isEqualTo(2);
    assertThat(out.toString()).startsWith(good + ":2  ").hasLineCount(1);
    assertThat(err.toString())
        .startsWith("retort predict: ")
        .contains("line 3", broken.toString(), "must be a number (got \"x\")")
        .hasLineCount(1);
  }

  @Test
  void model_thatIsNone_isOneLineAndExitCode2() throws IOException {
    Path file = picture("a.png", Color.RED);
    assertThat(predict(folder, List.of(file))).isEqualTo(2);
    assertThat(err.toString())
        .isEqualTo(
            "retort predict: --model must be a folder with a saved network (got load_model: path"
                + " must be an existing file (got "
                + folder.resolve("model.json")
                + "))\n");
    Path ofRows = folder.resolve("model");
    try (Network network = Networks.create("mlp_4", 2, 3)) {
      network.probe(3);
      SavedModel.save(ofRows, network, ModelDescription.of("mlp_4"));
    }
    assertThat(predict(ofRows, List.of(file))).isEqualTo(2);
    assertThat(err.toString())
        .startsWith("retort predict: --model must have a network for images, or the columns of a")
        .hasLineCount(1);
  }

  @Test
  void options_wrong_areOneLineAndExitCode2() throws IOException {
    Path file = picture("a.png", Color.RED);
    assertThat(predict(ofPictures, List.of(file), "--top=0")).isEqualTo(2);
    assertThat(err.toString())
        .isEqualTo("retort predict: --top must be between 1 and 65536 (got 0)\n");
    assertThat(predict(ofPictures, List.of())).isEqualTo(2);
    assertThat(err.toString()).startsWith("retort predict: ").contains("<file>").hasLineCount(1);
  }

  private Path picture(String name, Color color) throws IOException {
    BufferedImage image = new BufferedImage(16, 12, BufferedImage.TYPE_INT_RGB);
    Graphics2D graphics = image.createGraphics();
    graphics.setColor(color);
    graphics.fillRect(2, 2, 9, 6);
    graphics.dispose();
    Path file = folder.resolve(name);
    ImageIO.write(image, "png", file.toFile());
    return file;
  }

  private int predict(Path model, List<Path> files, String... options) {
    out.getBuffer().setLength(0);
    err.getBuffer().setLength(0);
    List<String> arguments = new ArrayList<>(List.of("predict", "--model=" + model));
    arguments.addAll(List.of(options));
    files.forEach(file -> arguments.add(file.toString()));
    CommandLine command = Main.commandLine();
    command.setOut(new PrintWriter(out, true)).setErr(new PrintWriter(err, true));
    return command.execute(arguments.toArray(new String[0]));
  }
}
