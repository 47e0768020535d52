#!/usr/bin/env bash
# What the GPU bundle does on a machine with an NVIDIA driver and nothing else: ./run without arguments says it. The last line
# that a command prints says how it ended, and after how long.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
java=("$here/runtime/bin/java" --enable-native-access=ALL-UNNAMED -Dstdout.encoding=UTF-8 -Dstderr.encoding=UTF-8)
read -r -a more <<<"${NEPENTHE_JVM_OPTIONS:-}"
java+=(${more[@]+"${more[@]}"})
classes=$here/test/classes:$here/test/console.jar:$here/lib/*
kernel=io.nepenthe.kernel
tests=()
for name in $kernel.Cuda{Operations,Dense,Squares,Plain,PerSample,Losses,Device} io.nepenthe.curvature.Cuda{Fisher,Influence} io.nepenthe.nn.CudaGradient; do
  tests+=(--select-class "${name}Test")
done
usage() {
  cat >&2 <<'END'
usage: ./run COMMAND, in this order on a new machine; each ends within ten minutes:
  doctor              the driver, the device, CUDA's libraries: what was found, and why the rest was not
  tests               the tests of the kernels and of the engine on the device
  demo [OPTIONS]      the demonstration on the device
  bench [DIVISOR]     roofs, then every kernel and its fraction of them, as lines of JSON; sizes divided by DIVISOR
  passes [IMAGES]     whole passes of ResNet-18 (50000 images) beside PyTorch's, if python3 (or $PYTHON) has it
  sanitize [TOOL]...  the tests under compute-sanitizer: memcheck, racecheck, initcheck, synccheck, one call each
END
  exit 2
}
run_tests() {
  (cd "$here/tree" && "$@" "${java[@]}" -Dnepenthe.gpu="${NEPENTHE_GPU:-required}" -Dnepenthe.cuda.sync=true \
    -Dnepenthe.cuda.schedules="${NEPENTHE_SCHEDULES:-20}" -cp "$classes" org.junit.platform.console.ConsoleLauncher execute \
    --disable-banner --disable-ansi-colors --details=tree "${tests[@]}")
}
sanitize() {
  command -v compute-sanitizer > /dev/null || { echo "run: sanitize needs compute-sanitizer, of the CUDA toolkit" >&2; exit 1; }
  local status=0
  for tool in "$@"; do
    echo "== $tool"
    NEPENTHE_SCHEDULES=${NEPENTHE_SCHEDULES:-3} run_tests compute-sanitizer --tool "$tool" --error-exitcode 9 --target-processes all || status=$?
  done
  return "$status"
}
passes() {
  local images=${1:-50000} file=${NEPENTHE_PASSES:-passes.jsonl} python=${PYTHON:-python3}
  "${java[@]}" -cp "$classes" $kernel.CudaPassMeasure "$images" | tee "$file"
  if ! command -v "$python" > /dev/null || ! "$python" -c 'import torch, sys; sys.exit(not torch.cuda.is_available())' 2> /dev/null; then
    echo "run: no peers: $python has no PyTorch with a CUDA device; PYTHON names another" >&2
    return
  fi
  "$python" "$here/peers/torch_epochs.py" --samples "$images" --beside "$file" > "$file.peers"
  cat "$file.peers" && cat "$file.peers" >> "$file" && rm "$file.peers"
}
[ $# -gt 0 ] || usage
command=$1
shift
trap 'exit 143' TERM INT
trap 'status=$?; [ $status = 2 ] || echo "run: $command ended with $status after $SECONDS s" >&2' EXIT
case $command in
  doctor) "${java[@]}" -jar "$here/nepenthe.jar" doctor ;;
  tests) run_tests ;;
  demo) "${java[@]}" -jar "$here/nepenthe.jar" demo --device cuda "$@" ;;
  bench) "${java[@]}" -cp "$classes" $kernel.CudaMeasure "$@" ;;
  passes) passes "$@" ;;
  sanitize) if [ $# -gt 0 ]; then sanitize "$@"; else sanitize memcheck racecheck initcheck synccheck; fi ;;
  *) usage ;;
esac
