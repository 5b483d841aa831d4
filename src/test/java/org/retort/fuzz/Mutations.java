package org.retort.fuzz;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import java.util.zip.ZipOutputStream;

/** Damages files at random. */
final class Mutations {
  /** What lengths and offsets are not. */
  private static final long[] NUMBERS = {
    0, 1, -1, 0x7f, 0xff, 0x7fff_ffff, 0xffff_ffffL, 1L << 40, Long.MAX_VALUE, Long.MIN_VALUE
  };

  private static final int MOST = 4;

  private final Random random;

  Mutations(Random random) {
    this.random = random;
  }

  /** Returns a damaged copy. */
  byte[] of(byte[] file) {
    byte[] damaged = file;
    for (int i = 1 + random.nextInt(MOST); i > 0; i--) {
      damaged = damaged.length == 0 ? file : once(damaged);
    }
    return damaged;
  }

  private byte[] once(byte[] file) {
    int place = random.nextInt(file.length);
    byte[] copy = file.clone();
    switch (random.nextInt(6)) {
      case 0 -> {
        return Arrays.copyOf(file, place);
      }
      case 1 -> {
        return Arrays.copyOf(file, file.length + 1 + random.nextInt(99));
      }
      case 2 -> copy[place] ^= (byte) (1 << random.nextInt(Byte.SIZE));
      case 3 -> copy[place] = (byte) random.nextInt();
      case 4 -> number(copy, place);
      default -> System.arraycopy(file, place, copy, 0, random.nextInt(file.length - place) + 1);
    }
    return copy;
  }

  private void number(byte[] file, int place) {
    byte[] number =
        ByteBuffer.allocate(Long.BYTES)
            .order(ByteOrder.LITTLE_ENDIAN)
            .putLong(NUMBERS[random.nextInt(NUMBERS.length)])
            .array();
    int bytes = 1 << random.nextInt(4);
    System.arraycopy(number, 0, file, place, Math.min(bytes, file.length - place));
  }

  /** Returns a zip archive, one of whose entries is damaged under a right checksum. */
  byte[] ofEntry(Path archive) throws IOException {
    ByteArrayOutputStream copy = new ByteArrayOutputStream();
    try (ZipFile in = new ZipFile(archive.toFile());
        ZipOutputStream out = new ZipOutputStream(copy)) {
      List<? extends ZipEntry> entries = Collections.list(in.entries());
      ZipEntry damaged = entries.get(random.nextInt(entries.size()));
      for (ZipEntry entry : entries) {
        byte[] content = in.getInputStream(entry).readAllBytes();
        out.putNextEntry(new ZipEntry(entry.getName()));
        out.write(entry == damaged ? of(content) : content);
      }
    }
    return copy.toByteArray();
  }
}
