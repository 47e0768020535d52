#!/usr/bin/env bash
# Makes target/nepenthe-gpu.tar.xz of what was built: a trimmed Java runtime, the jars, the GPU tests and `run`. Called by
# mvn -Pgpu-bundle package, with the JDK's home, the local repository's console launcher and the test class path.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
java_home=$1 console=$2
bundle=$root/target/nepenthe-gpu
rm -rf "$bundle" && mkdir -p "$bundle/lib" "$bundle/test" "$bundle/tree/native/include"
"$java_home/bin/jlink" --output "$bundle/runtime" --strip-debug --no-header-files --no-man-pages \
  --add-modules java.base,java.desktop,java.logging,java.management,java.naming,java.net.http,java.sql,jdk.jfr,jdk.management,jdk.unsupported,jdk.zipfs,java.compiler,java.instrument

# Jars are stored, not deflated, so that xz sees through them; of JCuda's natives only the driver's, of the native
# libraries no bindings or headers, of the charts the one script that a report holds.
pack() {
  local from=$1 to=$2 work
  work=$(mktemp -d)
  (cd "$work" && "$java_home/bin/jar" xf "$from")
  rm -f "$work"/lib/libJNvPTXCompiler* "$work"/lib/libJNvrtc* "$work"/lib/libJCudaRuntime*
  find "$work" -path '*/bytedeco/*' \( -name 'libjni*' -o -name '*.h' -o -name '*.hpp' -o -name '*.cmake' -o -name '*.a' \) -delete
  find "$work" -path '*/webjars/echarts/*' -type f ! -name 'echarts.common.min.js' -delete
  local manifest=$work/META-INF/MANIFEST.MF
  (cd "$work" && if [ -f "$manifest" ]; then "$java_home/bin/jar" --create --no-compress --file "$to" --manifest "$manifest" -C "$work" . ;
    else "$java_home/bin/jar" --create --no-compress --no-manifest --file "$to" -C "$work" . ; fi)
  rm -rf "$work"
}
for jar in "$root"/java/cli/target/lib/*.jar; do pack "$jar" "$bundle/lib/$(basename "$jar")"; done
pack "$root/java/cli/target/nepenthe.jar" "$bundle/nepenthe.jar"
cp "$console" "$bundle/test/console.jar"
cp -r "$root/java/core/target/test-classes" "$bundle/test/classes"
mkdir "$bundle/peers"
cp "$root"/benchmarks/src/main/resources/io/nepenthe/benchmarks/torch_*.py "$bundle/peers/"
cp "$root/native/include/nepenthe.h" "$bundle/tree/native/include/"
cp "$root/cmake/gpu-run.sh" "$bundle/run" && chmod +x "$bundle/run"
tar -C "$root/target" -c -I "xz -T0" -f "$root/target/nepenthe-gpu.tar.xz" nepenthe-gpu
size=$(stat -c %s "$root/target/nepenthe-gpu.tar.xz")
echo "target/nepenthe-gpu.tar.xz: $((size / 1000000)) MB"
if [ "$size" -gt 60000000 ]; then echo "the bundle must stay below 60 MB" >&2; exit 1; fi
