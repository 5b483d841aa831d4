package org.retort.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** What a browser makes of the page is tested by {@link HtmlReportBrowserTest}. */
final class HtmlReportTest {
  private static final Path RESOURCES = Path.of("src/main/resources/org/retort/cli");

  /** If the page is meant to change, copy target/report.html over the one in the resources. */
  @Test
  void of_page_isThatOfTheResources() throws IOException {
    String page =
        HtmlReport.of(Samples.page(6))
            .replace(Files.readString(RESOURCES.resolve("report.css")), "")
            .replace(Files.readString(RESOURCES.resolve("report.js")), "")
            .replaceAll("sha256-[^&]*", "sha256-…")
            .replaceAll("data:image/png;base64,[^\"]*", "data:image/png;base64,…")
            .replaceAll("(?s)<pre.*?</pre>", "<pre>…</pre>")
            .replace("><", ">\n<");
    Path actual = Files.writeString(Path.of("target", "report.html"), page);
    assertThat(actual)
        .hasSameTextualContentAs(Path.of("src/test/resources/org/retort/cli/report.html"));
  }

  @Test
  void of_anyText_isEscaped() throws IOException {
    String page = HtmlReport.of(Samples.page(10));
    assertThat(page)
        .contains("&lt;b&gt;&amp;&quot;&#39;", "A &lt;Processor&gt; &amp; Co.")
        .contains("&lt;/script&gt;&lt;script&gt;alert(1)")
        .doesNotContain("<script>alert", "<b>&\"", "<folder>", "unused");
    assertThat(page.split("<script", -1)).hasSize(2);
  }

  @Test
  void of_page_needsNothingElse() throws IOException {
    String page = HtmlReport.of(Samples.page(30));
    assertThat(page).startsWith("<!DOCTYPE html>\n<html lang=\"en\">");
    assertThat(page)
        .doesNotContain(
            "http:", "https:", "url(", "@import", "<link", "<iframe", " style=", "onclick");
    assertThat(Pattern.compile("src=\"(?!data:image/png;base64,)").matcher(page).find()).isFalse();
    assertThat(page).hasSizeLessThan(1_000_000);
  }

  @Test
  void of_thousandClasses_isSmallEnoughForABrowser() throws IOException {
    assertThat(HtmlReport.of(Samples.page(1000))).hasSizeLessThan(3_000_000);
  }

  @Test
  void of_otherLocale_isTheSame() throws IOException {
    Locale before = Locale.getDefault();
    String expected = HtmlReport.of(Samples.page(10));
    try {
      Locale.setDefault(Locale.forLanguageTag("ar-EG-u-nu-arab"));
      assertThat(HtmlReport.of(Samples.page(10))).isEqualTo(expected);
    } finally {
      Locale.setDefault(before);
    }
  }

  @Test
  void of_nothingMeasured_leavesSectionsOut() {
    String page =
        HtmlReport.of(
            new ReportPage(
                Samples.studentAlone(), Samples.experiment(), List.of(), List.of(), List.of()));
    assertThat(page)
        .contains("id=\"results\"", "id=\"curves\"", "88.00")
        .doesNotContain("id=\"confusion\"", "id=\"classes\"", "id=\"samples\"", "#samples");
  }

  @Test
  void page_samplesOfOtherNetworks_throws() throws IOException {
    ReportSample sample = Samples.sample(0, 0, 10, 2);
    assertThatThrownBy(
            () ->
                new ReportPage(
                    Samples.kdOnly(), Samples.experiment(), List.of(), List.of(), List.of(sample)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("ReportPage: predictions must be of each of the 0 networks (got 2)");
  }

  @Test
  void of_sampleThatIsNoPicture_showsItsText() throws IOException {
    ReportPage page = Samples.page(10);
    ReportSample picture = page.samples().get(0);
    ReportSample row =
        new ReportSample("row 7", Optional.empty(), "x < 3, y = 4", 2, picture.predictions());
    String html =
        HtmlReport.of(
            new ReportPage(
                page.results(),
                page.experiment(),
                page.classNames(),
                page.networks(),
                List.of(row)));
    assertThat(html).contains("x &lt; 3, y = 4", "row 7").doesNotContain("<img");
  }

  @Test
  void heat_anyColour_canBeReadWithItsText() {
    for (HeatColors colors : new HeatColors[] {HeatColors.LIGHT, HeatColors.DARK}) {
      for (int i = 0; i <= 1000; i++) {
        double place = i / 1000.0;
        assertThat(HeatColors.contrast(colors.at(place), HeatColors.textOn(colors.at(place))))
            .isGreaterThan(4.5);
      }
      assertThat(colors.of(0.25)).isEqualTo(colors.at(0.5));
    }
  }
}
