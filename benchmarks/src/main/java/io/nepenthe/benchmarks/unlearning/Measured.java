package io.nepenthe.benchmarks.unlearning;

import io.nepenthe.unlearn.Methods;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * What tables ask of the rows: none of the seeds that chose strengths is in an answer, nor, of the
 * {@linkplain Tables#LARGER larger tasks}, a seed that some method lacks.
 *
 * @param rows all there are
 */
record Measured(List<Row> rows) {
  private static final String RETRAINING = "retrain";
  private static final List<String> METHODS =
      UnlearningTables.METHODS.stream().map(Methods.Entry::name).toList();

  /** Keeps those that tables are made of. */
  Measured {
    Map<Row.Cell, Set<String>> methods =
        rows.stream()
            .collect(
                Collectors.groupingBy(
                    Row::cell, Collectors.mapping(Row::method, Collectors.toSet())));
    rows =
        rows.stream()
            .filter(row -> !row.cell().isTuning())
            .filter(
                row ->
                    !Tables.LARGER.contains(row.cell().task())
                        || methods.get(row.cell()).containsAll(METHODS))
            .toList();
  }

  /** A method's rows, one a seed. */
  List<Row> of(String task, Data data, double known, String method) {
    Row.Cell any = new Row.Cell(task, data.title(), known, 0);
    return rows.stream()
        .filter(row -> row.cell().withSeed(0).equals(any) && row.method().equals(method))
        .toList();
  }

  /** Those that were measured on this, the model as trained first. */
  List<String> methods(String task, Data data, double known) {
    return Stream.concat(Stream.of("before"), METHODS.stream())
        .filter(name -> !of(task, data, known, name).isEmpty())
        .toList();
  }

  static String title(String method) {
    return method.equals("before") ? "*as trained*" : Methods.named(method).title();
  }

  /** Another method's row for what a row was measured on. */
  Optional<Row> sameCell(Row row, String method) {
    return rows.stream()
        .filter(other -> other.cell().equals(row.cell()) && other.method().equals(method))
        .findFirst();
  }

  /** The gap to retraining, in points. */
  double gap(Row row) {
    return sameCell(row, RETRAINING)
        .map(retrained -> 100 * Tuning.gap(row, retrained))
        .orElse(Double.NaN);
  }

  /** The mean gap over the seeds; NaN where there is none. */
  double meanGap(String task, Data data, String method) {
    return Figures.mean(of(task, data, 1, method).stream().map(this::gap).toList());
  }

  /** By the mean gap, the least first. */
  Comparator<String> byGap(String task, Data data) {
    return Comparator.comparingDouble(method -> meanGap(task, data, method));
  }

  /** The sets on which a task was measured. */
  List<Data> data(String task) {
    return Stream.of(Data.values())
        .filter(data -> rows.stream().anyMatch(row -> row.cell().set() == data && isOf(row, task)))
        .toList();
  }

  /**
   * The sets on which one of the larger tasks was measured with as many seeds as the smaller ones,
   * or more.
   */
  List<Data> complete(String task) {
    return data(task).stream()
        .filter(data -> of(task, data, 1, RETRAINING).size() >= data.shown().size())
        .toList();
  }

  private static boolean isOf(Row row, String task) {
    return row.cell().task().equals(task);
  }

  /** A note where a method has fewer seeds than its neighbours. */
  static String few(List<Row> measured, int seeds) {
    return measured.isEmpty() || measured.size() == seeds
        ? ""
        : Figures.format(" (n = %d)", measured.size());
  }
}
