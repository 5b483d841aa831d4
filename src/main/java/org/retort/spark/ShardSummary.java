package org.retort.spark;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Base64;
import java.util.zip.DeflaterOutputStream;
import java.util.zip.InflaterInputStream;

/**
 * A summary of a rank's shard for the other ranks.
 *
 * @param labels of its samples
 * @param checksum of labels and values
 */
record ShardSummary(int[] labels, long checksum) {
  /** Returns it as text. */
  String text() {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (DataOutputStream out = new DataOutputStream(new DeflaterOutputStream(bytes))) {
      out.writeLong(checksum);
      out.writeInt(labels.length);
      for (int label : labels) {
        out.writeInt(label);
      }
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
    return Base64.getEncoder().encodeToString(bytes.toByteArray());
  }

  static ShardSummary of(String text) {
    byte[] bytes = Base64.getDecoder().decode(text);
    try (DataInputStream in =
        new DataInputStream(new InflaterInputStream(new ByteArrayInputStream(bytes)))) {
      long checksum = in.readLong();
      int[] labels = new int[in.readInt()];
      for (int i = 0; i < labels.length; i++) {
        labels[i] = in.readInt();
      }
      return new ShardSummary(labels, checksum);
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }
}
