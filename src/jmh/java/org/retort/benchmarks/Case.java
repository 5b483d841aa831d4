package org.retort.benchmarks;

/** A row of the table. */
enum Case {
  NATIVE("Retort's step from C++", 1),
  BARE("bare LibTorch loop in C++", 1),
  JAVA("Retort's step from Java", 1),
  BESIDE_GARBAGE("the same beside a thread that produces garbage", 1),
  PRESETS("call by call with the presets", 1),
  JAVA_TWICE("Retort's step from Java", 2),
  PRESETS_TWICE("call by call with the presets", 2),
  NATIVE_RESNET("ResNet-8 with KD from C++", 1),
  JAVA_RESNET("ResNet-8 with KD from Java", 1);

  final String title;
  final int threads;

  Case(String title, int threads) {
    this.title = title;
    this.threads = threads;
  }
}
