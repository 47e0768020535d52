package io.nepenthe.cli;

import io.nepenthe.unlearn.Methods;
import java.util.Iterator;

/** The names of all methods, for the help. */
final class MethodNames implements Iterable<String> {
  @Override
  public Iterator<String> iterator() {
    return Methods.all().stream().map(Methods.Entry::name).iterator();
  }
}
