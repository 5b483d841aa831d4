package org.retort.cli;

import java.util.ArrayList;
import java.util.Map;
import java.util.stream.Collectors;
import picocli.CommandLine.IDefaultValueProvider;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.TypeConversionException;

/** How picocli reads and shows the values of our options. */
final class OptionValues {
  static final String WEIGHT_LABEL = "<row>=<weight>";
  static final String THREADS_LABEL = "<threads>";

  private OptionValues() {}

  /** Those defaults that no annotation can hold. */
  static final class Defaults implements IDefaultValueProvider {
    @Override
    public String defaultValue(ArgSpec arg) {
      return switch (arg.paramLabel()) {
        case WEIGHT_LABEL ->
            Row.defaultWeights().entrySet().stream()
                .map(Map.Entry::toString)
                .collect(Collectors.joining(","));
        case THREADS_LABEL -> Integer.toString(Runtime.getRuntime().availableProcessors());
        default -> null;
      };
    }
  }

  /** Lists the rows for the help text. */
  static final class RowNames extends ArrayList<String> {
    private static final long serialVersionUID = 1;

    RowNames() {
      super(Row.ids());
    }
  }

  /** Reads the name of a row. */
  static final class RowConverter implements ITypeConverter<Row> {
    @Override
    public Row convert(String value) {
      return Row.of(value)
          .orElseThrow(
              () ->
                  new TypeConversionException(
                      "must be one of " + String.join(", ", Row.ids()) + " (got " + value + ")"));
    }
  }

  /** Reads a weight. */
  static final class WeightConverter implements ITypeConverter<Double> {
    @Override
    public Double convert(String value) {
      try {
        double weight = Double.parseDouble(value);
        if (weight >= 0 && weight <= Double.MAX_VALUE) {
          return weight;
        }
      } catch (NumberFormatException e) {
        // told below, like a number out of range
      }
      throw new TypeConversionException("must be a number of at least 0 (got " + value + ")");
    }
  }
}
