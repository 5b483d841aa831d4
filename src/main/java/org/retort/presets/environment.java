package org.retort.presets;

import org.bytedeco.javacpp.annotation.Platform;
import org.bytedeco.javacpp.annotation.Properties;
import org.bytedeco.javacpp.tools.InfoMap;
import org.bytedeco.javacpp.tools.InfoMapper;

/**
 * The environment of the process, by a library that needs no other: it is loaded before LibTorch.
 */
@Properties(
    inherit = org.bytedeco.javacpp.presets.javacpp.class,
    value =
        @Platform(
            value = "linux-x86_64",
            compiler = "cpp17",
            define = "STRING_BYTES_CHARSET \"UTF-8\"",
            include = "retort_environment.h"),
    target = "org.retort.bindings",
    global = "org.retort.bindings.global.environment")
public class environment implements InfoMapper {
  /** Called by JavaCPP. */
  public environment() {}

  @Override
  public void map(InfoMap map) {}
}
