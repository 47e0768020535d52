package io.nepenthe.cli;

import io.nepenthe.data.Dataset;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Which images, in words: comparisons of {@code id}, {@code index} or {@code label} with whole
 * numbers, joined by {@code and}, {@code or}, {@code not} and brackets. For instance {@code label =
 * 3 and (id < 1000 or id >= 9000)}.
 */
final class Where {
  private static final Pattern WORD =
      Pattern.compile("\\s*(<=|>=|!=|=|<|>|\\(|\\)|[a-z]+|-?[0-9]{1,18})");

  /** What is read by recursion has an end before the stack has. */
  private static final int MOST_BRACKETS = 100;

  private static final int MOST_QUOTED = 200;

  private final String text;
  private final List<String> words = new ArrayList<>();
  private int next;
  private int depth;

  /** A question to an image, by its index. */
  interface Condition {
    boolean of(Dataset dataset, long index);
  }

  private Where(String text) {
    this.text = text;
    Matcher matcher = WORD.matcher(text.strip());
    int end = 0;
    while (matcher.lookingAt()) {
      words.add(matcher.group(1));
      end = matcher.end();
      matcher.region(end, matcher.regionEnd());
    }
    if (end < text.strip().length()) {
      throw wrong("a field, a number, an operator or a bracket", text.strip().substring(end));
    }
  }

  /**
   * The condition that a text states.
   *
   * @throws IllegalArgumentException if it states none
   */
  static Condition parse(String text) {
    Where where = new Where(text);
    Condition condition = where.either();
    if (where.next < where.words.size()) {
      throw where.wrong("its end", where.peek());
    }
    return condition;
  }

  private Condition either() {
    List<Condition> choices = new ArrayList<>(List.of(both()));
    while (take("or")) {
      choices.add(both());
    }
    return (dataset, index) -> choices.stream().anyMatch(it -> it.of(dataset, index));
  }

  private Condition both() {
    List<Condition> needs = new ArrayList<>(List.of(one()));
    while (take("and")) {
      needs.add(one());
    }
    return (dataset, index) -> needs.stream().allMatch(it -> it.of(dataset, index));
  }

  private Condition one() {
    boolean denied = false;
    while (take("not")) {
      denied = !denied;
    }
    boolean holds = !denied;
    Condition condition = take("(") ? bracket() : comparison();
    return (dataset, index) -> condition.of(dataset, index) == holds;
  }

  private Condition bracket() {
    if (++depth > MOST_BRACKETS) {
      throw wrong("at most " + MOST_BRACKETS + " brackets in each other", "more");
    }
    Condition inner = either();
    if (!take(")")) {
      throw wrong("a closing bracket", peek());
    }
    depth--;
    return inner;
  }

  private Condition comparison() {
    String field = peek();
    if (!take("id") && !take("index") && !take("label")) {
      throw wrong("id, index or label", field);
    }
    String operator = peek();
    if (!List.of("=", "!=", "<", "<=", ">", ">=").contains(operator)) {
      throw wrong("=, !=, <, <=, > or >=", operator);
    }
    next++;
    String number = peek();
    if (!number.matches("-?[0-9]+")) {
      throw wrong("a whole number", number);
    }
    next++;
    long value = Long.parseLong(number);
    return (dataset, index) -> {
      int sign = Long.compare(field(dataset, index, field), value);
      return switch (operator) {
        case "=" -> sign == 0;
        case "!=" -> sign != 0;
        case "<" -> sign < 0;
        case "<=" -> sign <= 0;
        case ">" -> sign > 0;
        default -> sign >= 0;
      };
    };
  }

  private static long field(Dataset dataset, long index, String name) {
    return switch (name) {
      case "id" -> dataset.id(index);
      case "label" -> dataset.label(index);
      default -> index;
    };
  }

  private String peek() {
    return next < words.size() ? words.get(next) : "";
  }

  private boolean take(String word) {
    boolean there = peek().equals(word);
    next += there ? 1 : 0;
    return there;
  }

  private IllegalArgumentException wrong(String expected, String found) {
    return new IllegalArgumentException(
        "\""
            + (text.length() > MOST_QUOTED ? text.substring(0, MOST_QUOTED) + "…" : text)
            + "\": expected "
            + expected
            + ", found "
            + (found.isEmpty() ? "the end" : "\"" + found + "\""));
  }
}
