package org.retort.data;

import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.zip.GZIPInputStream;

/** The digits file: one line per image, with 64 values from 0 to 16 and the class. */
final class DigitsFile {
  static final String NAME = "digits.csv.gz";
  static final int COUNT = 1797;
  static final int PIXELS = 64;
  static final int MAX_PIXEL_VALUE = 16;
  private static final String SHA256 =
      "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22";

  /** Values from 0 to {@link #MAX_PIXEL_VALUE}, [1797, 64]. */
  final byte[] pixels = new byte[COUNT * PIXELS];

  /** Classes, [1797]. */
  final int[] labels = new int[COUNT];

  private DigitsFile() {}

  /** Reads the file, which must be the very one used for the split and all numbers. */
  static DigitsFile read(InputStream resource) throws IOException {
    byte[] content = resource.readAllBytes();
    String sha256 = sha256(content);
    if (!sha256.equals(SHA256)) {
      throw new IOException(
          NAME + " must have the SHA-256 " + SHA256 + " (got " + sha256 + "): it is damaged");
    }
    DigitsFile file = new DigitsFile();
    try (BufferedReader lines =
        new BufferedReader(
            new InputStreamReader(
                new GZIPInputStream(new ByteArrayInputStream(content)),
                StandardCharsets.US_ASCII))) {
      for (int i = 0; i < COUNT; i++) {
        file.parse(lines.readLine(), i);
      }
    }
    return file;
  }

  private void parse(String line, int index) {
    String[] fields = line.split(",", -1);
    for (int i = 0; i < PIXELS; i++) {
      pixels[index * PIXELS + i] = Byte.parseByte(fields[i]);
    }
    labels[index] = Integer.parseInt(fields[PIXELS]);
  }

  private static String sha256(byte[] content) {
    try {
      return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(content));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java platform has SHA-256", e);
    }
  }
}
