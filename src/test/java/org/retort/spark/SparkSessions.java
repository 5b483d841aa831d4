package org.retort.spark;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.apache.spark.SparkConf;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/** Spark on this machine. */
final class SparkSessions {
  static final StructType SCHEMA =
      new StructType()
          .add("image", DataTypes.createArrayType(DataTypes.FloatType))
          .add("label", DataTypes.IntegerType);

  private SparkSessions() {}

  /** Executors are threads of this process. */
  static SparkConf local(int cores) {
    return conf().setMaster("local[" + cores + "]");
  }

  /**
   * Executors are processes of two cores each, without an installation of Spark: the environment
   * names a folder that has an empty one of jars, and they take the class path of the tests.
   */
  static SparkConf cluster(int executors) throws IOException {
    Files.createDirectories(Path.of(System.getenv("SPARK_HOME"), "jars"));
    return conf()
        .setMaster("local-cluster[" + executors + ",2,1024]")
        .set("spark.executor.cores", "2")
        .set("spark.executor.extraClassPath", System.getProperty("java.class.path"))
        .set(
            "spark.executor.extraJavaOptions",
            "-ea -Xcheck:jni -Djava.io.tmpdir=" + System.getProperty("java.io.tmpdir"));
  }

  private static SparkConf conf() {
    return new SparkConf()
        .setAppName("retort-tests")
        .set("spark.driver.host", "127.0.0.1")
        .set("spark.driver.bindAddress", "127.0.0.1")
        .set("spark.executor.heartbeatInterval", "1s")
        .set("spark.sql.shuffle.partitions", "2")
        .set("spark.stage.maxConsecutiveAttempts", "2")
        .set("spark.ui.enabled", "false");
  }

  static SparkSession start(SparkConf conf) {
    return SparkSession.builder().config(conf).getOrCreate();
  }

  /** Returns rows with labels, in some partitions of very different sizes. */
  static Dataset<Row> rows(SparkSession spark, org.retort.data.Dataset data) {
    List<Row> rows = new ArrayList<>();
    java.nio.FloatBuffer values = java.nio.FloatBuffer.allocate(data.shape().values());
    for (int i = 0; i < data.size(); i++) {
      data.read(i, values.clear());
      Float[] image = new Float[values.capacity()];
      for (int k = 0; k < image.length; k++) {
        image[k] = values.get(k);
      }
      rows.add(RowFactory.create(image, data.label(i)));
    }
    int first = data.size() / 10;
    return spark
        .createDataFrame(rows.subList(0, first), SCHEMA)
        .coalesce(1)
        .union(spark.createDataFrame(rows.subList(first, rows.size()), SCHEMA).coalesce(1));
  }
}
