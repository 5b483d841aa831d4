package org.retort.cli;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

final class CsvReportTest {
  @Test
  void runs_results_areALineEach() {
    assertThat(CsvReport.runs(Samples.kdOnly()))
        .isEqualTo(
            """
            method,seed,accuracy_percent,seconds,parameters,file
            teacher,0,99.72,6.04,272186,teacher.pt
            kd,0,99.5,1.0,77754,kd-seed0.pt
            """);
  }

  @Test
  void history_results_isALineAnEpochWithTheLossesThatAreThere() {
    assertThat(CsvReport.history(Samples.kdOnly()))
        .isEqualTo(
            """
            method,seed,stage,epoch,accuracy_percent,train_accuracy_percent,learning_rate,seconds,loss,cross_entropy,kd
            teacher,0,0,0,75.0,50.0,0.1,0.5,3.5,1.0,
            kd,0,0,0,75.0,50.0,0.1,0.5,3.5,1.0,2.5
            kd,0,0,1,75.0,50.0,0.1,0.5,3.5,1.0,2.5
            """);
  }
}
