package io.nepenthe.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.reflect.Constructor;
import java.lang.reflect.Method;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Which folders of the cache go when another is made, and which never do. */
class LibraryCacheTest {
  @TempDir Path root;

  /** Names differ in what their bytes of the file of locks are told by. */
  private static String name(int number) {
    return "%015x".formatted(number) + "e".repeat(49);
  }

  /** A folder of a build, last used so long ago. */
  private Path old(int number, Duration ago) throws IOException {
    Path folder = Files.createDirectories(root.resolve(name(number)));
    Files.writeString(folder.resolve("libnepenthe.so"), "library");
    age(folder, ago);
    return folder;
  }

  private static void age(Path folder, Duration ago) throws IOException {
    Files.setLastModifiedTime(folder, FileTime.from(Instant.now().minus(ago)));
  }

  private Path folder(int number) throws IOException {
    return new LibraryCache(root).folder(name(number));
  }

  private Set<String> left() throws IOException {
    try (Stream<Path> entries = Files.list(root)) {
      return entries
          .map(path -> path.getFileName().toString())
          .collect(Collectors.toCollection(TreeSet::new));
    }
  }

  @Test
  void aNewFolderTakesTheOldOnesPlace() throws IOException {
    old(1, Duration.ofDays(3));
    old(2, Duration.ofHours(23));
    folder(3);
    assertEquals(Set.of(name(2), name(3), LibraryCache.LOCKS), left());
  }

  /** Not at every start: the folders would be listed each time. */
  @Test
  void oneThatIsThereIsOnlyNotedAsUsed() throws IOException {
    old(1, Duration.ofDays(3));
    Path known = old(2, Duration.ofDays(3));
    assertEquals(known, folder(2));
    assertTrue(Files.exists(known.resolve("libnepenthe.so")));
    assertEquals(Set.of(name(1), name(2), LibraryCache.LOCKS), left());
    Instant used = Files.getLastModifiedTime(known).toInstant();
    assertTrue(used.isAfter(Instant.now().minusSeconds(60)), used.toString());
  }

  @Test
  void whatIsNotOfThisLibrarysMakingStays() throws IOException {
    Path within = Files.createDirectories(old(1, Duration.ofDays(3)).resolve("folder"));
    age(within.getParent(), Duration.ofDays(3));
    Path elsewhere = Files.createDirectory(root.resolve("elsewhere"));
    Files.writeString(elsewhere.resolve("file"), "mine");
    age(elsewhere, Duration.ofDays(3));
    Files.createSymbolicLink(root.resolve(name(2)), elsewhere);
    folder(3);
    assertTrue(Files.exists(elsewhere.resolve("file")));
    assertTrue(Files.exists(root.resolve(name(2))));
    assertTrue(Files.isDirectory(within));
    assertTrue(Files.exists(within.resolveSibling("libnepenthe.so")));
  }

  /** Uses a folder until its input ends. */
  static final class User {
    public static void main(String[] arguments) throws IOException {
      new LibraryCache(Path.of(arguments[0])).folder(arguments[1]);
      System.out.println("used");
      System.in.read();
    }
  }

  @Test
  void whatARunningProcessUsesStays() throws Exception {
    Path used = old(1, Duration.ofDays(3));
    Process user = ChildJvm.start(User.class, List.of(), Map.of(), root.toString(), name(1));
    assertEquals("used", user.inputReader().readLine());
    age(used, Duration.ofDays(3));
    folder(2);
    assertTrue(Files.exists(used.resolve("libnepenthe.so")));
    user.destroyForcibly().waitFor();
    folder(3);
    assertFalse(Files.exists(used));
  }

  /** A second one in this process neither deletes what the first uses nor ends its lock. */
  @Test
  void whatAnotherClassLoaderUsesStays() throws Exception {
    Path used = folder(1);
    age(used, Duration.ofDays(3));
    List<URL> places = new ArrayList<>();
    for (String entry : System.getProperty("java.class.path").split(File.pathSeparator)) {
      places.add(Path.of(entry).toUri().toURL());
    }
    try (URLClassLoader loader = new URLClassLoader(places.toArray(URL[]::new), null)) {
      Constructor<?> constructor =
          loader.loadClass(LibraryCache.class.getName()).getDeclaredConstructor(Path.class);
      constructor.setAccessible(true);
      Method method = constructor.getDeclaringClass().getDeclaredMethod("folder", String.class);
      method.setAccessible(true);
      Object cache = constructor.newInstance(root);
      method.invoke(cache, name(2));
      assertTrue(Files.exists(used));
      method.invoke(cache, name(1));
      age(used, Duration.ofDays(3));
      Process other = ChildJvm.start(User.class, List.of(), Map.of(), root.toString(), name(3));
      assertEquals("used", other.inputReader().readLine());
      other.destroyForcibly().waitFor();
      assertTrue(Files.exists(used));
    }
  }

  @Test
  void withoutLocksNothingIsDeletedAndEverythingWorks() throws IOException {
    Files.createDirectory(root.resolve(LibraryCache.LOCKS));
    Path old = old(1, Duration.ofDays(3));
    assertTrue(Files.isDirectory(folder(2)));
    assertTrue(Files.exists(old));
  }

  /** Deletes a folder as another process would, when its input ends. */
  static final class Deleter {
    public static void main(String[] arguments) throws IOException {
      Path folder = Path.of(arguments[0], arguments[1]);
      Path locks = folder.resolveSibling(LibraryCache.LOCKS);
      try (FileChannel channel = FileChannel.open(locks, StandardOpenOption.WRITE);
          FileLock _ = channel.lock(LibraryCache.position(folder), 1, false)) {
        System.out.println("locked");
        System.in.read();
        Files.delete(folder.resolve("libnepenthe.so"));
        Files.delete(folder);
      }
    }
  }

  @Test
  void whatIsBeingDeletedIsMadeAgainAfterwards() throws Exception {
    Path old = old(1, Duration.ofDays(3));
    folder(2);
    Path deleted = old(1, Duration.ofDays(3));
    Process deleter = ChildJvm.start(Deleter.class, List.of(), Map.of(), root.toString(), name(1));
    assertEquals("locked", deleter.inputReader().readLine());
    CompletableFuture<Path> wanted =
        CompletableFuture.supplyAsync(
            () -> {
              try {
                return folder(1);
              } catch (IOException e) {
                throw new UncheckedIOException(e);
              }
            });
    assertThrows(TimeoutException.class, () -> wanted.get(200, TimeUnit.MILLISECONDS));
    deleter.getOutputStream().close();
    assertEquals(old, wanted.get(30, TimeUnit.SECONDS));
    assertEquals(0, deleter.waitFor());
    assertTrue(Files.isDirectory(deleted));
    assertFalse(Files.exists(deleted.resolve("libnepenthe.so")));
  }
}
