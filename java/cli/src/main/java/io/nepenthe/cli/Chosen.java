package io.nepenthe.cli;

import io.nepenthe.unlearn.Method;
import io.nepenthe.unlearn.Methods;
import io.nepenthe.unlearn.Settings;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;

/**
 * A method with its settings.
 *
 * @param name as the command line takes it
 * @param title for tables and charts
 */
record Chosen(String name, String title, Method method) {
  /** What methods are judged against; always among the compared. */
  static final String STANDARD = "retrain";

  /**
   * The methods of these names, retraining first.
   *
   * @param settings by {@code method.name}
   * @throws IllegalArgumentException if a method, a setting or a value is unknown
   */
  static List<Chosen> of(List<String> names, Map<String, String> settings) {
    Map<String, Map<String, String>> byMethod = new LinkedHashMap<>();
    settings.forEach(
        (key, value) -> {
          int dot = key.indexOf('.');
          if (dot < 0) {
            throw new IllegalArgumentException(
                "a setting is METHOD.NAME=VALUE, found \"" + key + "=" + value + "\"");
          }
          byMethod
              .computeIfAbsent(key.substring(0, dot), name -> new LinkedHashMap<>())
              .put(key.substring(dot + 1), value);
        });
    LinkedHashSet<String> wanted = new LinkedHashSet<>(List.of(STANDARD));
    wanted.addAll(names);
    byMethod.keySet().stream()
        .filter(name -> !wanted.contains(name))
        .findFirst()
        .ifPresent(
            name -> {
              throw new IllegalArgumentException(
                  "settings of \"" + name + "\", which is not among the methods");
            });
    List<Chosen> chosen = new ArrayList<>();
    for (String name : wanted) {
      Methods.Entry entry = Methods.named(name);
      Method method = Settings.with(entry.published(), byMethod.getOrDefault(name, Map.of()));
      chosen.add(new Chosen(entry.name(), entry.title(), method));
    }
    return chosen;
  }
}
