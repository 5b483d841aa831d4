package org.retort.data;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Iterator;
import java.util.List;
import org.apache.commons.csv.CSVException;
import org.apache.commons.csv.CSVFormat;
import org.apache.commons.csv.CSVParser;
import org.apache.commons.csv.CSVPrinter;
import org.apache.commons.csv.CSVRecord;
import org.retort.FileException;

/**
 * The records of a CSV text in UTF-8, with or without a byte order mark, one after another. Only
 * this class uses commons-csv; call {@link CsvLibrary#require} first.
 */
final class CsvText implements AutoCloseable {
  private static final char BYTE_ORDER_MARK = '\ufeff';

  private final String function;
  private final String name;
  private final CSVParser parser;
  private final Iterator<CSVRecord> records;
  private CSVRecord record;
  private long lastLine;

  /**
   * Starts reading.
   *
   * @param function the caller's name, for error messages
   * @param name the file's name
   * @param in the input, closed by {@link #close}
   * @param separator the character between fields
   * @param trims whether to remove spaces around unquoted fields
   */
  CsvText(String function, String name, InputStream in, char separator, boolean trims)
      throws IOException {
    this.function = function;
    this.name = name;
    BufferedReader reader =
        new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8.newDecoder()), 1 << 16);
    try {
      reader.mark(1);
      if (reader.read() != BYTE_ORDER_MARK) {
        reader.reset();
      }
    } catch (CharacterCodingException e) {
      in.close();
      throw notUtf8(e);
    } catch (IOException e) {
      in.close();
      throw e;
    }
    CSVFormat format =
        CSVFormat.RFC4180
            .builder()
            .setDelimiter(separator)
            .setIgnoreEmptyLines(true)
            .setIgnoreSurroundingSpaces(trims)
            .get();
    parser = CSVParser.builder().setReader(reader).setFormat(format).get();
    records = parser.iterator();
  }

  /** Advances to the next record that is not an empty line. Returns whether there is one. */
  boolean next() throws IOException {
    try {
      do {
        if (!records.hasNext()) {
          return false;
        }
        record = records.next();
        lastLine = parser.getCurrentLineNumber();
      } while (record.size() == 1 && record.get(0).isBlank());
      return true;
    } catch (UncheckedIOException e) {
      IOException cause = e.getCause();
      if (cause instanceof CharacterCodingException) {
        throw notUtf8(cause);
      }
      if (cause instanceof CSVException) {
        throw damagedAfter("be CSV", NumberText.oneLine(cause.getMessage()), cause);
      }
      throw cause;
    }
  }

  private FileException notUtf8(IOException cause) {
    return damagedAfter("be UTF-8", "other bytes", cause);
  }

  private FileException damagedAfter(String rule, String got, IOException cause) {
    String where = "the text after line " + lastLine;
    return new FileException(
        function + ": " + where + " of " + name + " must " + rule + " (got " + got + ")", cause);
  }

  /** Returns the number of fields. */
  int size() {
    return record.size();
  }

  String field(int index) {
    return record.get(index);
  }

  /** Returns the line on which the record begins, from 1. */
  long line() {
    long line = lastLine;
    for (int i = 0; i < record.size(); i++) {
      line -= lineBreaks(record.get(i));
    }
    return line;
  }

  private static int lineBreaks(String field) {
    if (field.indexOf('\n') < 0 && field.indexOf('\r') < 0) {
      return 0;
    }
    int breaks = 0;
    for (int i = 0; i < field.length(); i++) {
      char letter = field.charAt(i);
      boolean isSecond = letter == '\n' && i > 0 && field.charAt(i - 1) == '\r';
      breaks += letter == '\r' || letter == '\n' && !isSecond ? 1 : 0;
    }
    return breaks;
  }

  /** Returns the error for invalid content in the record. */
  FileException damaged(String rule, String got) {
    return damagedAt("line " + line(), rule, got);
  }

  /** Returns the error for an invalid field in the record. */
  FileException damaged(String column, String rule, String got) {
    return damagedAt("column " + NumberText.shown(column) + " of line " + line(), rule, got);
  }

  /** Returns the error for an invalid text. */
  FileException damagedWhole(String rule, String got) {
    return new FileException(function + ": " + name + " must " + rule + " (got " + got + ")", null);
  }

  private FileException damagedAt(String where, String rule, String got) {
    return new FileException(
        function + ": " + where + " of " + name + " must " + rule + " (got " + got + ")", null);
  }

  @Override
  public void close() throws IOException {
    parser.close();
  }

  /** Writes records with quotes where needed and a line feed after each. */
  static String write(List<List<String>> records) {
    StringBuilder text = new StringBuilder();
    CSVFormat format = CSVFormat.RFC4180.builder().setRecordSeparator('\n').get();
    try (CSVPrinter printer = new CSVPrinter(text, format)) {
      printer.printRecords(records);
    } catch (IOException e) {
      throw new UncheckedIOException(e); // a StringBuilder never throws one
    }
    return text.toString();
  }
}
