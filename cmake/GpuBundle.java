import java.io.IOException;

/**
 * Runs gpu-bundle.sh with the home of the Java that runs this: the build's toolchain knows no
 * other.
 */
class GpuBundle {
  public static void main(String[] args) throws IOException, InterruptedException {
    ProcessBuilder script =
        new ProcessBuilder("cmake/gpu-bundle.sh", System.getProperty("java.home"), args[0]);
    System.exit(script.inheritIO().start().waitFor());
  }
}
