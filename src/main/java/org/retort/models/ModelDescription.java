package org.retort.models;

import java.util.List;
import java.util.Optional;
import org.retort.data.TableColumns;
import org.retort.internal.Arguments;

/**
 * The information that serving a network needs besides its weights and its {@link Preprocessing}.
 *
 * @param architecture the network's name, for example {@code mobilenet_v2}; for human readers
 * @param classNames one per class, in order; empty to name them by their numbers
 * @param resize pictures are scaled so that their shorter side has this many pixels before the
 *     centre is cropped to the input shape; 0 for the smallest size that covers it
 * @param columns for a network for tables, how a row becomes its features; empty for others
 */
public record ModelDescription(
    String architecture, List<String> classNames, int resize, Optional<TableColumns> columns) {
  private static final String NAME = "ModelDescription";

  /**
   * Checks the values.
   *
   * @param architecture as above
   * @param classNames as above
   * @param resize at least 0
   * @param columns as above
   * @throws IllegalArgumentException if an argument or a name is null, or the resize is negative
   */
  public ModelDescription {
    Arguments.notNull(architecture, NAME, "architecture");
    classNames = Arguments.list(classNames, NAME, "class names");
    Arguments.atLeast(resize, 0, NAME, "resize");
    Arguments.notNull(columns, NAME, "columns");
  }

  /**
   * Creates a description of a network whose classes are named by their numbers and whose pictures
   * are scaled to the smallest size that covers its input shape.
   *
   * @param architecture the network's name
   * @return the description
   * @throws IllegalArgumentException if it is null
   */
  public static ModelDescription of(String architecture) {
    return new ModelDescription(architecture, List.of(), 0, Optional.empty());
  }

  /**
   * Returns a copy with the given class names.
   *
   * @param names one per class, in order
   * @return a changed copy
   * @throws IllegalArgumentException if the list or a name is null
   */
  public ModelDescription withClassNames(List<String> names) {
    return new ModelDescription(architecture, names, resize, columns);
  }

  /**
   * Returns a copy with the given scaling of pictures before they are cropped.
   *
   * @param shorterSide pixels of the shorter side, for example 256 for crops of 224; 0 for the
   *     smallest size that covers the input shape
   * @return a changed copy
   * @throws IllegalArgumentException if it is negative
   */
  public ModelDescription withResize(int shorterSide) {
    return new ModelDescription(architecture, classNames, shorterSide, columns);
  }

  /**
   * Returns a copy with the given columns, which define how a table row becomes features, and with
   * the table's class names.
   *
   * @param columns those of the training part
   * @return a changed copy
   * @throws IllegalArgumentException if the columns are null
   */
  public ModelDescription withColumns(TableColumns columns) {
    Arguments.notNull(columns, NAME + ".withColumns", "columns");
    return new ModelDescription(architecture, columns.classNames(), resize, Optional.of(columns));
  }
}
