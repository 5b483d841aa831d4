package org.retort.recipes;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import java.util.function.BiFunction;
import java.util.function.Function;
import java.util.function.Supplier;
import org.retort.models.Networks;
import org.snakeyaml.engine.v2.nodes.MappingNode;
import org.snakeyaml.engine.v2.nodes.Node;
import org.snakeyaml.engine.v2.nodes.NodeTuple;
import org.snakeyaml.engine.v2.nodes.ScalarNode;
import org.snakeyaml.engine.v2.nodes.SequenceNode;
import org.snakeyaml.engine.v2.nodes.Tag;

/**
 * The keys and values of a mapping. After reading every allowed key, call {@link #finish}, which
 * rejects all others.
 */
final class Fields {
  private final String file;
  private final int line;
  private final Map<String, Node> values = new LinkedHashMap<>();
  private final Map<String, Integer> lines = new LinkedHashMap<>();
  private final Set<String> known = new LinkedHashSet<>();

  /** Reads the keys of a node, called {@code name} in messages. */
  Fields(String file, String name, Node node) {
    this.file = file;
    line = line(node);
    if (!(node instanceof MappingNode mapping)) {
      throw wrong(line, name, "be a mapping", shown(node));
    }
    for (NodeTuple tuple : mapping.getValue()) {
      String key = shown(tuple.getKeyNode());
      int keyLine = line(tuple.getKeyNode());
      if (values.put(key, tuple.getValueNode()) != null) {
        throw wrong(keyLine, key, "be given once", "it twice");
      }
      lines.put(key, keyLine);
    }
  }

  /** Returns whether there is such a key. */
  boolean has(String key) {
    known.add(key);
    return values.containsKey(key);
  }

  /** Returns all keys that are present, in order. */
  List<String> keys() {
    known.addAll(values.keySet());
    return List.copyOf(values.keySet());
  }

  /** Returns a required text. */
  String text(String key) {
    return text(key, required(key));
  }

  /** Returns a required text as it is, including surrounding blanks. */
  String raw(String key) {
    return required(key) instanceof ScalarNode scalar ? scalar.getValue() : text(key);
  }

  /** Returns a text, or {@code otherwise} if there is none. */
  String text(String key, String otherwise) {
    return has(key) ? text(key) : otherwise;
  }

  /** Returns a required file, relative to the folder of this one. */
  Path path(String key) {
    String text = text(key);
    return checked(key, () -> Path.of(file).resolveSibling(text));
  }

  /** Returns a required text that is valid in options and file names. */
  String name(String key) {
    return checkedName(key, text(key));
  }

  /** Returns a name after checking it. */
  String checkedName(String key, String name) {
    if (!name.matches("[a-z0-9][a-z0-9-]*")) {
      throw wrong(key, "be of small letters, digits and hyphens", name);
    }
    return name;
  }

  /** Returns a required integer. */
  int whole(String key, int low, int high) {
    return toWhole(key, required(key), low, high);
  }

  /** Returns an integer, or {@code otherwise} if there is none. */
  int whole(String key, int low, int high, int otherwise) {
    return has(key) ? whole(key, low, high) : otherwise;
  }

  /** Returns an integer, if there is one. */
  OptionalInt optionalWhole(String key, int low, int high) {
    return has(key) ? OptionalInt.of(whole(key, low, high)) : OptionalInt.empty();
  }

  /** Returns a required number. */
  double number(String key) {
    return toNumber(key, required(key));
  }

  /** Returns a number of at least 0, or {@code otherwise} if there is none. */
  double notNegative(String key, double otherwise) {
    double number = has(key) ? number(key) : otherwise;
    if (number < 0) {
      throw wrong(key, "be at least 0", number);
    }
    return number;
  }

  /** Returns whether a key is true, or {@code otherwise} if it is absent. */
  boolean flag(String key, boolean otherwise) {
    if (!has(key)) {
      return otherwise;
    }
    Node node = required(key);
    if (!node.getTag().equals(Tag.BOOL)) {
      throw wrong(key, "be true or false", shown(node));
    }
    return Boolean.parseBoolean(shown(node));
  }

  /** Returns the constant that is named, in lowercase, or {@code otherwise} if none is. */
  <E extends Enum<E>> E choice(String key, Class<E> type, E otherwise) {
    return has(key) ? toConstant(key, type) : otherwise;
  }

  /** Returns the constant that is named, in lowercase; required. */
  <E extends Enum<E>> E choice(String key, Class<E> type) {
    return toConstant(key, type);
  }

  /** Returns one of the given texts; required. */
  String choice(String key, Collection<String> choices) {
    String text = text(key);
    if (!choices.contains(text)) {
      throw notOneOf(key, text, choices);
    }
    return text;
  }

  private RecipeException notOneOf(String key, String text, Collection<String> choices) {
    return wrong(key, "be one of " + String.join(", ", choices), Spelling.got(text, choices));
  }

  /** Returns the required name of a network. */
  String network(String key) {
    String name = text(key);
    if (!Networks.isName(name)) {
      throw notOneOf(key, name, Networks.nameForms());
    }
    return name;
  }

  /** Returns a required list of texts. */
  List<String> texts(String key) {
    return items(key).stream().map(item -> text(key, item)).toList();
  }

  /** Returns a required list of numbers. */
  double[] numbers(String key) {
    return items(key).stream().mapToDouble(item -> toNumber(key, item)).toArray();
  }

  /** Returns a required list of mappings. */
  List<Fields> mappings(String key) {
    return items(key).stream().map(item -> new Fields(file, key, item)).toList();
  }

  /** Returns a required list of lists of integers. */
  List<int[]> wholeLists(String key) {
    List<int[]> lists = new ArrayList<>();
    for (Node item : items(key)) {
      lists.add(
          items(key, item).stream()
              .mapToInt(number -> toWhole(key, number, 0, Integer.MAX_VALUE))
              .toArray());
    }
    return lists;
  }

  /** Returns a required mapping. */
  Fields mapping(String key) {
    return new Fields(file, key, required(key));
  }

  /** Returns whether a key's value is a mapping. */
  boolean isMapping(String key) {
    return has(key) && values.get(key) instanceof MappingNode;
  }

  /** Returns whether a key's value is a list. */
  boolean isList(String key) {
    return has(key) && values.get(key) instanceof SequenceNode;
  }

  /** Creates something from a required number; {@code maker} checks the number. */
  <T> T number(String key, Function<Double, T> maker) {
    double number = number(key);
    return checked(key, () -> maker.apply(number));
  }

  /** Sets a number of {@code target}, if present; the setter checks it. */
  <T> T number(String key, T target, BiFunction<T, Double, T> setter) {
    return has(key) ? number(key, number -> setter.apply(target, number)) : target;
  }

  /** Sets an integer of {@code target}, if present; the setter checks it. */
  <T> T whole(String key, T target, BiFunction<T, Long, T> setter) {
    if (!has(key)) {
      return target;
    }
    long number = toWhole(key, required(key), Integer.MIN_VALUE, Integer.MAX_VALUE);
    return checked(key, () -> setter.apply(target, number));
  }

  /** Sets a constant of {@code target}, if present. */
  <T, E extends Enum<E>> T choice(String key, T target, Class<E> type, BiFunction<T, E, T> setter) {
    return has(key) ? setter.apply(target, toConstant(key, type)) : target;
  }

  /** Reports a failed check in {@code maker} with this place. */
  <T> T checked(String key, Supplier<T> maker) {
    try {
      return maker.get();
    } catch (RecipeException failure) {
      throw failure;
    } catch (IllegalArgumentException failure) {
      String message = failure.getMessage();
      int rule = message.indexOf(" must ");
      throw new RecipeException(
          place(lineOf(key)) + (rule < 0 ? key + ": " + message : key + message.substring(rule)),
          failure);
    }
  }

  /** Rejects keys that were not read. */
  void finish() {
    for (String key : values.keySet()) {
      if (!known.contains(key)) {
        throw wrong(
            lines.get(key),
            "key",
            "be one of " + String.join(", ", known),
            Spelling.got(key, known));
      }
    }
  }

  /** Returns the exception to throw about a key. */
  RecipeException wrong(String key, String rule, Object value) {
    return wrong(lineOf(key), key, rule, value);
  }

  private int lineOf(String key) {
    return lines.getOrDefault(key, line);
  }

  private RecipeException wrong(int where, String key, String rule, Object value) {
    return new RecipeException(place(where) + key + " must " + rule + " (got " + value + ")");
  }

  /** Returns where the mapping begins. */
  String place() {
    return place(line);
  }

  /** Returns the location of a key, and the key, for messages about it. */
  String place(String key) {
    return place(lineOf(key)) + key;
  }

  private String place(int where) {
    return file + ":" + where + ": ";
  }

  private Node required(String key) {
    if (!has(key)) {
      throw wrong(line, key, "be given", "none");
    }
    return values.get(key);
  }

  private List<Node> items(String key) {
    return items(key, required(key));
  }

  private List<Node> items(String key, Node node) {
    if (!(node instanceof SequenceNode sequence) || sequence.getValue().isEmpty()) {
      throw wrong(line(node), key, "be a list of at least one item", shown(node));
    }
    return sequence.getValue();
  }

  private String text(String key, Node node) {
    if (!(node instanceof ScalarNode scalar) || scalar.getValue().isBlank()) {
      throw wrong(line(node), key, "be a text", shown(node));
    }
    return scalar.getValue().strip();
  }

  private int toWhole(String key, Node node, int low, int high) {
    if (node.getTag().equals(Tag.INT)) {
      try {
        int number = Integer.parseInt(shown(node));
        if (number >= low && number <= high) {
          return number;
        }
      } catch (NumberFormatException e) {
        // reported below, like a number out of range
      }
    }
    throw wrong(line(node), key, "be an integer " + range(low, high), shown(node));
  }

  private static String range(int low, int high) {
    return high == Integer.MAX_VALUE ? "of at least " + low : "between " + low + " and " + high;
  }

  private double toNumber(String key, Node node) {
    if (node.getTag().equals(Tag.INT) || node.getTag().equals(Tag.FLOAT)) {
      try {
        double number = Double.parseDouble(shown(node));
        if (Double.isFinite(number)) {
          return number;
        }
      } catch (NumberFormatException e) {
        // .nan and .inf, reported below
      }
    }
    throw wrong(line(node), key, "be a finite number", shown(node));
  }

  private <E extends Enum<E>> E toConstant(String key, Class<E> type) {
    List<String> names = Arrays.stream(type.getEnumConstants()).map(Fields::name).toList();
    return type.getEnumConstants()[names.indexOf(choice(key, names))];
  }

  private static String name(Enum<?> constant) {
    return constant.name().toLowerCase(Locale.ROOT);
  }

  /** Returns the line of a node, counted from 1. */
  private static int line(Node node) {
    return node.getStartMark().map(mark -> mark.getLine() + 1).orElse(1);
  }

  private static String shown(Node node) {
    if (node instanceof ScalarNode scalar) {
      return scalar.getValue().isEmpty() ? "nothing" : scalar.getValue();
    }
    return node instanceof SequenceNode ? "a list" : "a mapping";
  }
}
