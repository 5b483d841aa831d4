package org.retort.data;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.zip.CRC32C;

/** A hash of successive values, the same in every process and on every machine. */
final class Fingerprint {
  private final ByteBuffer values = ByteBuffer.allocate(1 << 13);
  private final MessageDigest digest;

  Fingerprint() {
    try {
      digest = MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java platform has SHA-256", e);
    }
  }

  /** Starts with what every data set provides without reading an image. */
  static Fingerprint of(Dataset dataset) {
    ImageShape shape = dataset.shape();
    Fingerprint fingerprint =
        new Fingerprint()
            .add(dataset.size())
            .add(shape.channels())
            .add(shape.height())
            .add(shape.width())
            .add(dataset.classes())
            .add(dataset.classNames().size());
    dataset.classNames().forEach(fingerprint::add);
    for (int i = 0; i < dataset.size(); i++) {
      fingerprint.add(dataset.label(i));
    }
    return fingerprint;
  }

  Fingerprint add(long value) {
    if (values.remaining() < Long.BYTES) {
      flush();
    }
    values.putLong(value);
    return this;
  }

  Fingerprint add(double value) {
    return add(Double.doubleToLongBits(value));
  }

  Fingerprint add(boolean value) {
    return add(value ? 1 : 0);
  }

  Fingerprint add(String value) {
    byte[] bytes = value.getBytes(StandardCharsets.UTF_8);
    add(bytes.length);
    flush();
    digest.update(bytes);
    return this;
  }

  Fingerprint add(int[] elements) {
    add(elements.length);
    for (int element : elements) {
      add(element);
    }
    return this;
  }

  /** Adds the checksum of all of a file's bytes, which may be a gigabyte. */
  Fingerprint add(ByteBuffer content) {
    CRC32C checksum = new CRC32C();
    checksum.update(content.duplicate().clear());
    return add(content.capacity()).add(checksum.getValue());
  }

  private void flush() {
    digest.update(values.flip());
    values.clear();
  }

  /** Returns the hash, which is not 0. Nothing can be added afterwards. */
  long value() {
    flush();
    long hash = ByteBuffer.wrap(digest.digest()).getLong();
    return hash == 0 ? 1 : hash;
  }
}
