import com.google.googlejavaformat.java.Formatter;
import com.google.googlejavaformat.java.RemoveUnusedImports;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/**
 * Checks ("check") or applies ("apply") the project's formatting: google-java-format for Java,
 * clang-format, where it is installed, for C++ and CUDA. Run from the repository root: {@code
 * java @cmake/format.args cmake/Format.java apply}.
 */
class Format {
  public static void main(String[] args) throws Exception {
    boolean apply = args.length == 1 && args[0].equals("apply");
    if (!apply && !(args.length == 1 && args[0].equals("check"))) {
      System.err.println("usage: Format check|apply");
      System.exit(2);
    }
    List<Path> wrong = new ArrayList<>();
    for (Path file : sources(List.of("java", "benchmarks", "cmake"), ".java")) {
      String text = Files.readString(file);
      String formatted =
          new Formatter().formatSource(RemoveUnusedImports.removeUnusedImports(text));
      if (!formatted.equals(text)) {
        wrong.add(file);
        if (apply) {
          Files.writeString(file, formatted);
        }
      }
    }
    if (clangFormatInstalled()) {
      for (Path file : sources(List.of("native", "cuda"), ".h", ".cpp", ".cu", ".cuh")) {
        String formatted = output("clang-format", "--style=file", file.toString());
        if (!formatted.equals(Files.readString(file))) {
          wrong.add(file);
          if (apply) {
            Files.writeString(file, formatted);
          }
        }
      }
    } else {
      System.out.println("clang-format is not installed: C++ formatting is left unchecked");
    }
    if (apply) {
      wrong.forEach(file -> System.out.println("formatted " + file));
    } else if (!wrong.isEmpty()) {
      System.err.println("not formatted: " + wrong);
      System.err.println("remedy: java @cmake/format.args cmake/Format.java apply");
      System.exit(1);
    }
  }

  private static List<Path> sources(List<String> roots, String... suffixes) throws IOException {
    List<Path> files = new ArrayList<>();
    for (String root : roots) {
      if (Files.isDirectory(Path.of(root))) {
        try (Stream<Path> walk = Files.walk(Path.of(root))) {
          walk.filter(file -> Stream.of(suffixes).anyMatch(file.toString()::endsWith))
              .filter(file -> !file.toString().contains("target/"))
              .sorted()
              .forEach(files::add);
        }
      }
    }
    return files;
  }

  private static boolean clangFormatInstalled() {
    try {
      output("clang-format", "--version");
      return true;
    } catch (IOException e) {
      return false;
    }
  }

  private static String output(String... command) throws IOException {
    Process process =
        new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
    String text = new String(process.getInputStream().readAllBytes());
    try {
      if (process.waitFor() != 0) {
        throw new IOException(String.join(" ", command) + " failed");
      }
    } catch (InterruptedException e) {
      throw new IOException(e);
    }
    return text;
  }
}
