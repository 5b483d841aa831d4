package org.retort.data;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class NumberTextTest {
  @ParameterizedTest
  @CsvSource({
    "1, 1",
    "-1., -1",
    "+.5, 0.5",
    "1e2, 100",
    "1.5E-1, 0.15",
    "' 7 ', 7",
    "infinity, Infinity",
    "+inf, Infinity",
    "-INF, -Infinity",
    "1e99, Infinity"
  })
  void value_number_isThatNumber(String text, float number) {
    assertThat(NumberText.value(text)).isEqualTo(number);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        ".",
        "-",
        "+",
        "-.",
        "+.",
        "e1",
        ".e1",
        "1e",
        "1e+",
        "1.5.2",
        "1 2",
        "--1",
        "0x1p3",
        "1f",
        "NaN",
        "infinite"
      })
  void value_otherText_isNotANumber(String text) {
    assertThat(NumberText.value(text)).isNaN();
  }
}
