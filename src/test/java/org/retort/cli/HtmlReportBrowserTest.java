package org.retort.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.google.gson.Gson;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.Base64;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.retort.testing.Chromium;

/** What a browser makes of the page: of a copy with {@code report-probe.js} at its beginning. */
final class HtmlReportBrowserTest {
  private static final int PHONE = 390;
  private static final int SCREEN = 1280;
  private static final String POLICY = "script-src '";

  private static Chromium browser;

  @TempDir Path folder;

  /** A page in a frame. */
  private record Frame(String page, int width, boolean dark) {
    String html(int index) {
      return "<iframe width=%d height=900 style='color-scheme: %s' src='%s?frame=%d'></iframe>"
          .formatted(width, dark ? "dark" : "light", page, index);
    }
  }

  /** What the probe tells. */
  private record Told(
      int frame,
      boolean dark,
      int width,
      int overflow,
      String text,
      List<String> classNames,
      int images,
      int emptyImages,
      List<String> resources,
      List<String> addresses,
      Map<String, Integer> without,
      int sameIds,
      List<String> faint,
      int elementsOfNames,
      int[][] sorted,
      List<String> wrong) {}

  @BeforeAll
  static void findBrowser() {
    assumeTrue(
        Chromium.find().isPresent(),
        "chromium must be on the PATH to look at report.html (got none)");
    browser = Chromium.find().get();
  }

  @Test
  void page_inABrowser_isWholeAndReadable() throws Exception {
    for (int classes : new int[] {10, 30}) {
      write("page%d.html".formatted(classes), HtmlReport.of(Samples.page(classes)));
    }
    write("alone.html", HtmlReport.of(alone()));
    List<Frame> frames =
        List.of(
            new Frame("page10.html", PHONE, false),
            new Frame("page10.html", PHONE, true),
            new Frame("page10.html", SCREEN, false),
            new Frame("page10.html", SCREEN, true),
            new Frame("page30.html", PHONE, false),
            new Frame("alone.html", PHONE, true));
    List<Told> all = look(frames);
    for (Told told : all) {
      Frame frame = frames.get(told.frame());
      assertThat(told.wrong()).as("%s", frame).isEmpty();
      assertThat(told.width()).as("%s", frame).isEqualTo(frame.width());
      assertThat(told.dark()).as("%s", frame).isEqualTo(frame.dark());
      assertThat(told.overflow()).as("overflow of %s", frame).isZero();
      assertThat(told.faint()).as("contrast in %s", frame).isEmpty();
      assertThat(told.emptyImages()).isZero();
      assertThat(told.resources()).isEmpty();
      assertThat(told.addresses())
          .allMatch(address -> address.matches("#[a-z]+|data:image/png;.*"));
      assertThat(told.without().values()).as("%s", told.without()).hasSize(5).containsOnly(0);
      assertThat(told.sameIds()).isZero();
      assertThat(told.elementsOfNames()).isZero();
      assertThat(told.text()).contains(Samples.experiment().command(), "A <Processor> & Co.");
    }
    for (Told told : all.subList(0, 5)) {
      int classes = told.frame() == 4 ? 30 : 10;
      assertThat(told.classNames()).startsWith(Samples.classNames(classes).toArray(String[]::new));
      assertThat(told.images()).isEqualTo(classes == 30 ? 6 + 3 : 6);
      assertThat(told.text())
          .contains("teacher", "student alone", "KD", "99.72", "88.00 ± 3.00", "99.50 ± 0.50")
          .contains("+11.50 ± 3.50", "6.0", "2.0", "272,186", "77,754", "2.500")
          .contains("accuracy 94.", "top 5 99.", "number 5", "90.0 %", "✗");
      int[] fewestFirst = Arrays.stream(told.sorted()[1]).sorted().toArray();
      assertThat(told.sorted()[1]).isEqualTo(fewestFirst);
      assertThat(told.sorted()[0])
          .isEqualTo(
              Arrays.stream(fewestFirst)
                  .boxed()
                  .sorted(Collections.reverseOrder())
                  .mapToInt(Integer::intValue)
                  .toArray());
    }
    assertThat(all.get(5).text()).contains("88.00").doesNotContain("Confusion", "Samples\n");
  }

  /** The least a page can hold: a student, no teacher, nothing measured. */
  private static ReportPage alone() {
    return new ReportPage(
        Samples.studentAlone(), Samples.experiment(), List.of(), List.of(), List.of());
  }

  @Test
  void page_withSomethingSmuggledIn_doesNotRunOrLoadIt() throws Exception {
    String smuggled =
        "<script>document.title = 'run'; throw new Error('run');</script>"
            + "<img src='https://example.invalid/a.png' alt='a'>"
            + "<p onclick='0' style='position: fixed'>text</p></main>";
    write("page.html", HtmlReport.of(Samples.page(10)).replace("</main>", smuggled));
    Told told = look(List.of(new Frame("page.html", SCREEN, false))).get(0);
    assertThat(told.wrong())
        .contains("policy: script-src-elem", "policy: img-src", "policy: style-src-attr")
        .noneMatch(wrong -> wrong.contains("run"));
  }

  @Test
  void page_drawn_isNotBlank() throws Exception {
    Path page = folder.resolve("report.html");
    HtmlReport.write(page, Samples.page(10));
    Path png = folder.resolve("report.png");
    browser.screenshot(page, SCREEN, 2000, png, folder);
    BufferedImage image = ImageIO.read(png.toFile());
    assertThat(image.getWidth()).isEqualTo(SCREEN);
    int accent = 0x0b5cad;
    int diagonal = HeatColors.LIGHT.at(0.95).getRGB() & 0xffffff;
    assertThat(Pictures.colours(image)).hasSizeGreaterThan(100).contains(accent, diagonal);
  }

  /** Looks at pages in frames of one page: a window can't be as narrow as a phone. */
  private List<Told> look(List<Frame> frames) throws Exception {
    StringBuilder html = new StringBuilder("<!DOCTYPE html><meta charset=utf-8>");
    for (int i = 0; i < frames.size(); i++) {
      html.append(frames.get(i).html(i));
    }
    html.append(
        """
        <img src=done>
        <script>
        addEventListener('message', event =>
          fetch('told', {method: 'POST', body: JSON.stringify(event.data)}));
        </script>
        """);
    Files.writeString(folder.resolve("frames.html"), html);
    List<Told> all =
        browser.texts(folder, "frames.html", frames.size(), folder).stream()
            .map(text -> new Gson().fromJson(text, Told.class))
            .sorted(Comparator.comparing(Told::frame))
            .toList();
    assertThat(all).extracting(Told::frame).doesNotHaveDuplicates().hasSize(frames.size());
    return all;
  }

  /** Writes a page with the probe, which alone the page's policy allows beside its own script. */
  private void write(String name, String page) throws IOException, NoSuchAlgorithmException {
    String probe;
    try (InputStream stream = HtmlReportBrowserTest.class.getResourceAsStream("report-probe.js")) {
      probe = new String(stream.readAllBytes(), StandardCharsets.UTF_8);
    }
    byte[] hash =
        MessageDigest.getInstance("SHA-256").digest(probe.getBytes(StandardCharsets.UTF_8));
    String allowed = "sha256-" + Base64.getEncoder().encodeToString(hash);
    String policy = HtmlWriter.escaped(POLICY);
    assertThat(page).contains(policy, "<title>");
    Files.writeString(
        folder.resolve(name),
        page.replace(policy, policy + allowed + HtmlWriter.escaped("' '"))
            .replace("<title>", "<script>" + probe + "</script><title>"));
  }
}
