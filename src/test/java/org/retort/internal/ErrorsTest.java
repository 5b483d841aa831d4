package org.retort.internal;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.retort.OutOfMemoryException;
import org.retort.RetortException;

final class ErrorsTest {
  @ParameterizedTest
  @CsvSource({
    "ShapeError, ShapeException",
    "OutOfMemoryError, OutOfMemoryException",
    "NonFiniteError, NonFiniteException",
    "FileError, FileException"
  })
  void translate_kind_becomesTheClass(String kind, String type) {
    RuntimeException error = new RuntimeException(kind + ": f: x must be: so (got no)");
    assertThat(Errors.translate(error))
        .isInstanceOf(RetortException.class)
        .hasMessage("f: x must be: so (got no)")
        .hasCause(error)
        .extracting(translated -> translated.getClass().getSimpleName())
        .isEqualTo(type);
  }

  @Test
  void translate_textOfLibTorchsAllocator_becomesOneLine() {
    RuntimeException error =
        new RuntimeException(
            "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate"
                + " memory: you tried to allocate 80 bytes. Error code 12 (Cannot allocate"
                + " memory)\n\nframe #0");
    assertThat(Errors.translate(error))
        .isInstanceOf(OutOfMemoryException.class)
        .hasMessage("out of memory: could not allocate 80 bytes")
        .hasCause(error);
  }

  @ParameterizedTest
  @CsvSource({
    "f: x must be (got no), f: x must be (got no)",
    "OutOfMemory: no kind, OutOfMemory: no kind",
    "no colon, no colon",
    "two\\nlines, two",
    "'', unknown error"
  })
  void translate_otherText_isTheMessageInOneLine(String text, String message) {
    RuntimeException error = new RuntimeException(text.translateEscapes());
    assertThat(Errors.translate(error))
        .isExactlyInstanceOf(RetortException.class)
        .hasMessage(message)
        .hasCause(error);
  }

  @Test
  void translate_exceptionOfJava_isItself() {
    IllegalStateException error = new IllegalStateException("ShapeError: closed");
    assertThat(Errors.translate(error)).isSameAs(error);
  }
}
