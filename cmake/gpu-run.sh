#!/usr/bin/env bash
# What the GPU bundle does on a machine with an NVIDIA driver and nothing else: ./run doctor|tests|sanitize|bench|demo.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
java=("$here/runtime/bin/java" --enable-native-access=ALL-UNNAMED)
read -r -a more <<<"${NEPENTHE_JVM_OPTIONS:-}"
java+=(${more[@]+"${more[@]}"})
tests=(--select-class io.nepenthe.kernel.CudaOperationsTest --select-class io.nepenthe.kernel.CudaDenseTest
  --select-class io.nepenthe.kernel.CudaSquaresTest --select-class io.nepenthe.kernel.CudaPlainTest
  --select-class io.nepenthe.kernel.CudaPerSampleTest --select-class io.nepenthe.kernel.CudaLossesTest
  --select-class io.nepenthe.curvature.CudaInfluenceTest --select-class io.nepenthe.nn.CudaGradientTest)
run_tests() {
  cd "$here/tree"
  "$@" "${java[@]}" -Dnepenthe.gpu="${NEPENTHE_GPU:-required}" -Dnepenthe.cuda.sync=true -cp "$here/test/classes:$here/test/console.jar:$here/lib/*" \
    org.junit.platform.console.ConsoleLauncher execute --disable-banner --details=tree "${tests[@]}"
}
case ${1:-} in
  doctor) exec "${java[@]}" -jar "$here/nepenthe.jar" doctor ;;
  tests) run_tests ;;
  sanitize)
    command -v compute-sanitizer > /dev/null || { echo "run: sanitize needs compute-sanitizer, of the CUDA toolkit" >&2; exit 1; }
    for tool in memcheck racecheck initcheck synccheck; do
      echo "== $tool"
      run_tests compute-sanitizer --tool "$tool" --error-exitcode 9 --target-processes all
    done ;;
  bench) exec "${java[@]}" -cp "$here/test/classes:$here/test/console.jar:$here/lib/*" io.nepenthe.kernel.CudaMeasure "${@:2}" ;;
  demo) exec "${java[@]}" -jar "$here/nepenthe.jar" demo --device cuda "${@:2}" ;;
  *) echo "usage: ./run doctor|tests|sanitize|bench [DIVISOR]|demo [OPTIONS]" >&2; exit 2 ;;
esac
