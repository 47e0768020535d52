package io.nepenthe.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;

/** Threads that the system does not let a process have. */
class CpuThreadsTest {
  /** Takes all threads, then two. */
  static final class Greedy {
    public static void main(String[] arguments) {
      try (Backend backend = Device.cpu(Device.MOST_THREADS).open()) {
        System.out.println("all of them: " + backend.device());
      } catch (NativeException e) {
        System.out.println(e.getMessage());
      }
      try (Backend backend = Device.cpu(2).open()) {
        System.out.println(backend.device());
      }
    }
  }

  /** OpenMP ends the process, and with it whatever else the virtual machine does. */
  @Test
  void tooManyAreRefusedAndTheProcessLives() throws Exception {
    // The limit on memory holds for the superuser too; each thread's stack takes some of it.
    String java = System.getProperty("java.home") + "/bin/java";
    Process process =
        new ProcessBuilder(
                "sh",
                "-c",
                "ulimit -s 8192; ulimit -v 6000000; exec \"$@\"",
                "sh",
                java,
                "--enable-native-access=ALL-UNNAMED",
                "-Xmx64m",
                "-XX:+UseSerialGC",
                "-XX:ReservedCodeCacheSize=64m",
                "-XX:CompressedClassSpaceSize=64m",
                "-cp",
                System.getProperty("java.class.path"),
                Greedy.class.getName())
            .redirectErrorStream(true)
            .start();
    ChildJvm.Outcome outcome = ChildJvm.finish(process);
    assertEquals(0, outcome.status(), outcome.output());
    List<String> lines = outcome.output().lines().toList();
    assertEquals("wanted: 1024 threads for the processor", lines.getFirst());
    assertTrue(
        lines.get(1).matches("tried: to start them; the system let [0-9]+ run"), lines.get(1));
    assertTrue(lines.get(3).startsWith("remedy: "), lines.get(3));
    assertEquals("Cpu[threads=2]", lines.getLast());
  }
}
