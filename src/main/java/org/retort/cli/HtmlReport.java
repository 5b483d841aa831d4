package org.retort.cli;

import java.awt.Color;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * The results as a single, self-contained page for a browser: no other file, no network, and no
 * JavaScript except for conveniences. Everything it shows is escaped, and a policy in its head
 * forbids all content that is not its own.
 */
final class HtmlReport {
  /** Colours of a confusion matrix's entries. */
  static final int HEAT_LEVELS = 20;

  private final ReportPage page;
  private final HtmlWriter html = new HtmlWriter();

  private HtmlReport(ReportPage page) {
    this.page = page;
  }

  /** Returns the page. */
  static String of(ReportPage page) {
    return new HtmlReport(page).write();
  }

  /** Writes the page into a file. */
  static void write(Path file, ReportPage page) throws IOException {
    AtomicFile.write(file, of(page).getBytes(StandardCharsets.UTF_8));
  }

  private String write() {
    String title = page.results().settings().recipe().title();
    String style = resource("report.css") + heatStyle();
    String script = resource("report.js");
    html.raw("<!DOCTYPE html>\n").open("html", "lang", "en");
    html.open("head").open("meta", "charset", "utf-8");
    html.open("meta", "http-equiv", "Content-Security-Policy", "content", policy(style, script));
    html.open("meta", "name", "viewport", "content", "width=device-width, initial-scale=1");
    html.open("meta", "name", "color-scheme", "content", "light dark");
    html.open("meta", "name", "generator", "content", "Retort");
    html.element("title", title + ": results");
    html.open("style").raw(style).close();
    html.closeLine();
    html.open("body");
    html.element("a", "Skip to the results", "class", "skip", "href", "#results");
    writeHeader(title);
    html.open("main");
    HtmlResults.write(html, page.results());
    HtmlMetrics.write(html, page);
    HtmlSamples.write(html, page);
    writeExperiment();
    html.closeLine();
    html.open("script").raw(script).close();
    html.closeLine().closeLine();
    return html.html();
  }

  private void writeHeader(String title) {
    ExperimentReport.Data data = page.experiment().data();
    html.open("header").element("p", "Retort · knowledge distillation", "class", "kicker");
    html.element("h1", title);
    html.element(
        "p",
        "%s: %s training and %s test samples"
            .formatted(data.name(), count(data.trainImages()), count(data.testImages())),
        "class",
        "lead");
    html.open("nav", "aria-label", "Sections");
    sections().forEach((id, name) -> html.element("a", name, "href", "#" + id).text(" "));
    html.close().closeLine();
  }

  private Map<String, String> sections() {
    Map<String, String> sections = new LinkedHashMap<>();
    sections.put("results", "Results");
    sections.put("curves", "Curves");
    if (!page.networks().isEmpty()) {
      sections.put("confusion", "Confusion");
      sections.put("classes", "Classes");
    }
    if (!page.samples().isEmpty()) {
      sections.put("samples", "Samples");
    }
    sections.put("experiment", "Experiment");
    return sections;
  }

  private void writeExperiment() {
    ExperimentReport experiment = page.experiment();
    html.open("section", "id", "experiment", "aria-labelledby", "experiment-title");
    html.element("h2", "Experiment", "id", "experiment-title");
    html.element("p", "The command that was run:");
    html.open("pre", "tabindex", "0").element("code", experiment.command()).close();
    html.open("dl");
    facts(experiment)
        .forEach(
            (name, value) -> html.open("div").element("dt", name).element("dd", value).close());
    html.close();
    html.open("details").element("summary", "The recipe");
    html.open("pre", "tabindex", "0").element("code", experiment.recipe()).close().close();
    html.closeLine();
  }

  private static Map<String, String> facts(ExperimentReport experiment) {
    ExperimentReport.Options options = experiment.options();
    Machine machine = experiment.machine();
    Map<String, String> facts = new LinkedHashMap<>();
    facts.put("Data", experiment.data().name());
    facts.put("Source of the data", experiment.data().credit());
    facts.put("Teacher", options.teacher());
    facts.put("Student", options.student());
    facts.put("Input shape", String.valueOf(experiment.data().inputShape()));
    facts.put("Preprocessing", experiment.data().preprocessing());
    facts.put("Epochs of a student", count(options.epochs()));
    facts.put("Seeds", count(experiment.seeds()));
    facts.put("Device", experiment.device());
    if (experiment.ranks() > 1) {
      facts.put("Processes", count(experiment.ranks()));
    }
    facts.put("Threads", count(experiment.threads()));
    if (experiment.jobs() > 1) {
      facts.put("Students at a time", count(experiment.jobs()));
    }
    facts.put(
        "Machine",
        "%s, %s, %s processors%s"
            .formatted(
                machine.system(),
                machine.architecture(),
                count(machine.processors()),
                machine.processor() == null ? "" : ", " + machine.processor()));
    facts.put(
        "Versions",
        "Retort %s, Java %s, kernels for %s"
            .formatted(
                experiment.versions().retort(),
                experiment.versions().java(),
                experiment.versions().cpuKernels()));
    facts.values().removeIf(value -> value == null || value.isEmpty());
    return facts;
  }

  /** Returns a count with its thousands separated. */
  static String count(long count) {
    return String.format(Locale.ROOT, "%,d", count);
  }

  /** Returns the policy that allows this style, this script and pictures embedded in the page. */
  private static String policy(String style, String script) {
    return "default-src 'none'; img-src data:; style-src '%s'; script-src '%s'; base-uri 'none'; "
            .formatted(hash(style), hash(script))
        + "form-action 'none'";
  }

  private static String hash(String text) {
    try {
      byte[] hash =
          MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
      return "sha256-" + Base64.getEncoder().encodeToString(hash);
    } catch (NoSuchAlgorithmException impossible) {
      throw new IllegalStateException(impossible);
    }
  }

  private static String heatStyle() {
    return heat(HeatColors.LIGHT)
        + "@media screen and (prefers-color-scheme: dark) {\n"
        + heat(HeatColors.DARK)
        + "}\n";
  }

  private static String heat(HeatColors colors) {
    StringBuilder style = new StringBuilder();
    for (int level = 0; level <= HEAT_LEVELS; level++) {
      Color color = colors.at((double) level / HEAT_LEVELS);
      style.append(
          ".h%s { background: %s; color: %s; }\n"
              .formatted(level, hex(color), hex(HeatColors.textOn(color))));
    }
    return style.toString();
  }

  private static String hex(Color color) {
    return "#" + Integer.toHexString(color.getRGB()).substring(2);
  }

  /** Returns the class of a cell that shows a fraction from 0 to 1. */
  static String heat(double fraction) {
    return "h" + Math.round(HEAT_LEVELS * Math.sqrt(fraction));
  }

  private static String resource(String name) {
    try (InputStream stream = HtmlReport.class.getResourceAsStream(name)) {
      return new String(stream.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException failure) {
      throw new UncheckedIOException(failure);
    }
  }

  /** Writes the cells of a table's header. */
  static void header(HtmlWriter html, List<String> names) {
    html.open("thead").open("tr");
    names.forEach(name -> html.element("th", name, "scope", "col"));
    html.close().close();
  }
}
