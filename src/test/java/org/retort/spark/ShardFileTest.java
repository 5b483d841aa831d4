package org.retort.spark;

import static org.assertj.core.api.Assertions.assertThat;
import static org.retort.testing.Failures.assertIllegal;

import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class ShardFileTest {
  @TempDir private Path folder;

  private static float[] bytes(int i) {
    return new float[] {i / 255f, (255 - i) / 255f, 1};
  }

  private static float[] floats(int i) {
    return new float[] {-i, 0.5f * i, Float.MIN_VALUE};
  }

  @Test
  void samples_bytesAndFloats_comeBackAsTheyWere() throws Exception {
    Path file = folder.resolve("rows");
    try (ShardFile shard = new ShardFile(file, 3)) {
      for (int i = 0; i < 3000; i++) {
        float[] values = i % 3 == 0 ? floats(i) : bytes(i % 256);
        shard.add(FloatBuffer.wrap(values), i % 5 - 1);
      }
      shard.finish();
      assertThat(shard.count()).isEqualTo(3000);
      assertThat(shard.labels()).isEqualTo(IntStream.range(0, 3000).map(i -> i % 5 - 1).toArray());
      float[] read = new float[3];
      for (int i = 2999; i >= 0; i--) {
        shard.read(i, FloatBuffer.wrap(read));
        assertThat(read).isEqualTo(i % 3 == 0 ? floats(i) : bytes(i % 256));
      }
    }
    assertThat(Files.size(file)).isEqualTo(1000 * 12 + 2000 * 3);
  }

  @Test
  void samples_notANumber_areKept() throws Exception {
    try (ShardFile shard = new ShardFile(folder.resolve("rows"), 2)) {
      shard.add(FloatBuffer.wrap(new float[] {Float.NaN, 2}), 0);
      shard.finish();
      float[] read = new float[2];
      shard.read(0, FloatBuffer.wrap(read));
      assertThat(read).containsExactly(Float.NaN, 2);
    }
  }

  @Test
  void checksum_ofOtherValuesOrLabels_isAnother() throws Exception {
    long first = checksum("first", 1, 0);
    assertThat(checksum("same", 1, 0)).isEqualTo(first);
    assertThat(checksum("values", 2, 0)).isNotEqualTo(first);
    assertThat(checksum("label", 1, 1)).isNotEqualTo(first);
  }

  private long checksum(String name, float value, int label) throws Exception {
    try (ShardFile shard = new ShardFile(folder.resolve(name), 1)) {
      shard.add(FloatBuffer.wrap(new float[] {value}), label);
      return shard.checksum();
    }
  }

  @Test
  void dataset_ofThreeShards_knowsAllLabelsAndItsOwnValues() throws Exception {
    try (ShardFile shard = new ShardFile(folder.resolve("rows"), 3)) {
      shard.add(FloatBuffer.wrap(bytes(7)), 0);
      shard.add(FloatBuffer.wrap(bytes(9)), 1);
      shard.finish();
      int[][] labels = {{2, 2, 2}, {0, 1}, {3, 3}};
      ShardDataset data =
          new ShardDataset(shard, 1, labels, new long[] {1, 2, 3}, 4, new long[] {3});
      assertThat(data.size()).isEqualTo(7);
      assertThat(IntStream.range(0, 7).map(data::label)).containsExactly(2, 0, 3, 2, 1, 3, 2);
      float[] read = new float[3];
      data.read(4, FloatBuffer.wrap(read));
      assertThat(read).isEqualTo(bytes(9));
      assertThat(data.inputShape()).containsExactly(3);
      assertIllegal(
          () -> data.read(3, FloatBuffer.wrap(read)),
          "ShardDataset.read: index must be of the shard of rank 1 of 3; draw by"
              + " DatasetBatches.Builder.shard (got 3)");
      for (long[] checksums : List.of(new long[] {1, 2, 4}, new long[] {2, 1, 3})) {
        assertThat(new ShardDataset(shard, 1, labels, checksums, 4, new long[] {3}).fingerprint())
            .isNotEqualTo(data.fingerprint());
      }
    }
  }

  @Test
  void labels_asText_comeBack() {
    ShardSummary labels = new ShardSummary(new int[] {-1, 0, 999, 7}, 1L << 40);
    ShardSummary read = ShardSummary.of(labels.text());
    assertThat(read.labels()).isEqualTo(labels.labels());
    assertThat(read.checksum()).isEqualTo(labels.checksum());
  }
}
