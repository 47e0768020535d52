package io.nepenthe.cli;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.Properties;
import picocli.CommandLine.IVersionProvider;

/** The version that the build wrote into the jar. */
final class Version implements IVersionProvider {
  @Override
  public String[] getVersion() {
    return new String[] {"nepenthe " + text()};
  }

  static String text() {
    return of("version");
  }

  /** The version of this or of a library. */
  static String of(String what) {
    Properties properties = new Properties();
    try (InputStream in = Version.class.getResourceAsStream("nepenthe.properties")) {
      properties.load(in);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return properties.getProperty(what);
  }
}
