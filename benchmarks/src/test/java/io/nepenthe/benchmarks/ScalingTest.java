package io.nepenthe.benchmarks;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.nepenthe.benchmarks.Scaling.Point;
import io.nepenthe.benchmarks.Scaling.Series;
import java.util.List;
import org.junit.jupiter.api.Test;

class ScalingTest {
  @Test
  void exponentsAreThoseOfAPower() {
    Series square =
        new Series(
            "work",
            "size",
            "",
            List.of(new Point(10, 0.3, 5), new Point(100, 30, 5), new Point(1000, 3000, 5)));
    assertEquals(2, square.timeExponent(), 0x1p-40);
    assertEquals(0, square.memoryExponent(), 0x1p-40);
  }
}
