#!/usr/bin/env bash
# What the GPU bundle does on a machine with an NVIDIA driver and nothing else: ./run without arguments says it. The last line
# that a command prints says how it ended, and after how long.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# A virtual machine may begin with little of its memory, of which Java's own share would be too small.
java=("$here/runtime/bin/java" -Xmx4g --enable-native-access=ALL-UNNAMED -Dstdout.encoding=UTF-8 -Dstderr.encoding=UTF-8)
read -r -a more <<<"${NEPENTHE_JVM_OPTIONS:-}"
java+=(${more[@]+"${more[@]}"})
classes=$here/test/classes:$here/test/console.jar:$here/lib/*
kernel=io.nepenthe.kernel
all=(kernel.Cuda{Device,Operations,Dense,Squares,HopperSquares,Plain,PerSample,Losses,LossVectors,Objectives} kernel.{NotANumber,Pixels} nn.Cuda{Gradient,Trainer}
  curvature.{Cuda{Fisher,Influence,Scores},JoinedNormalisation} detect.CudaFeatures evaluate.Cuda{LinearCka,RelearnTime} unlearn.Cuda{EveryMethod,Methods,WorstCase})
PATH=$PATH:/usr/local/cuda/bin # compute-sanitizer's, on many machines
usage() {
  cat >&2 <<'END'
usage: ./run COMMAND, in this order on a new machine; each ends within ten minutes:
  first FOLDER        all of the below, each with a time limit, results in FOLDER; called again, it goes on where it ended;
                      NEPENTHE_SECONDS is what it may take at most (unlimited)
  doctor              the driver, the device, CUDA's libraries: what was found, and why the rest was not
  tests [CLASS]...    the tests of the kernels and of the engine on the device, each class in a process of its own
  demo [OPTIONS]      the demonstration on the device
  bench [DIVISOR] [PRECISION]...
                      roofs, then every kernel and its fraction of them, as lines of JSON; sizes divided by DIVISOR
  passes [IMAGES]     whole passes of ResNet-18 (50000 images) beside PyTorch's, if python3 (or $PYTHON) has it
  sanitize [TOOL]...  the tests under compute-sanitizer: memcheck, racecheck, initcheck, synccheck, one call each
END
  exit 2
}
# One class's; a failure that a device's context does not survive ends with its process.
run_class() {
  local class=$1
  shift
  (cd "$here/tree" && "$@" "${java[@]}" -Dnepenthe.gpu="${NEPENTHE_GPU:-required}" -Dnepenthe.cuda.sync=true \
    -Dnepenthe.cuda.schedules="${NEPENTHE_SCHEDULES:-20}" -cp "$classes" org.junit.platform.console.ConsoleLauncher execute \
    --disable-banner --disable-ansi-colors --details=tree --select-class "io.nepenthe.${class}Test")
}
run_tests() {
  local status=0
  for class in "$@"; do
    run_class "$class" timeout -k 10 "${NEPENTHE_CLASS_SECONDS:-240}" || { status=1 && echo "run: $class failed" >&2; }
  done
  return "$status"
}
sanitizer() {
  command -v compute-sanitizer > /dev/null || { echo "run: sanitize needs compute-sanitizer, of the CUDA toolkit" >&2; exit 1; }
  NEPENTHE_SCHEDULES=${NEPENTHE_SCHEDULES:-3} run_class "$2" compute-sanitizer --tool "$1" --error-exitcode 9 --target-processes all
}
sanitize() {
  local status=0
  for tool in "$@"; do
    for class in "${all[@]}"; do
      echo "== $tool $class"
      sanitizer "$tool" "$class" || status=$?
    done
  done
  return "$status"
}
passes() {
  local images=${1:-50000} file=${NEPENTHE_PASSES:-passes.jsonl} python=${PYTHON:-python3} status=0
  "${java[@]}" -cp "$classes" $kernel.CudaPassMeasure "$images" | tee "$file" || status=$?
  if ! command -v "$python" > /dev/null || ! "$python" -c 'import torch, sys; sys.exit(not torch.cuda.is_available())' 2> /dev/null; then
    echo "run: no peers: $python has no PyTorch with a CUDA device; PYTHON names another" >&2
    return "$status"
  fi
  "$python" "$here/peers/torch_epochs.py" --samples "$images" --beside "$file" > "$file.peers"
  cat "$file.peers" && cat "$file.peers" >> "$file" && rm "$file.peers"
  return "$status"
}
# step FILE SECONDS COMMAND...: a part of `first`, whose output is added to FILE when it has ended, in whatever way; not again if it
# has ended before.
step() {
  local file=$folder/$1 limit=$2 begin=$SECONDS status=0 cut=''
  shift 2
  if grep -q "^== $* ended " "$folder/first.txt"; then return; fi
  local left=$((${NEPENTHE_SECONDS:-1000000} - SECONDS))
  if [ "$left" -lt 10 ]; then
    later=1
    return
  fi
  if [ "$left" -lt "$limit" ]; then limit=$left cut=1; fi
  timeout -k 10 "$limit" "$here/run" "$@" > "$file.part" 2> >(tee -a "$folder/first.txt" >&2) || status=$?
  if [ -n "$cut" ] && [ $((SECONDS - begin)) -ge "$limit" ]; then
    echo "== $* was cut off after $limit s: again next time" | tee -a "$folder/first.txt"
    later=1
    return
  fi
  cat "$file.part" >> "$file" && rm "$file.part"
  echo "== $* ended with $status after $((SECONDS - begin)) s" | tee -a "$folder/first.txt"
}
first() {
  mkdir -p "$1"
  folder=$(cd "$1" && pwd) later=''
  touch "$folder/first.txt"
  step runs.txt 60 doctor
  for class in "${all[@]}"; do step tests.txt 240 tests "$class"; done
  for class in Squares HopperSquares; do step sanitize.txt 120 sanitizer memcheck kernel.Cuda$class; done
  for precision in FP32 TF32 BF16; do step bench.jsonl 240 bench 1 $precision; done
  NEPENTHE_PASSES=$folder/passes.jsonl step runs.txt 480 passes
  step runs.txt 240 demo
  for tool in memcheck racecheck synccheck initcheck; do
    for class in "${all[@]}"; do step sanitize.txt 240 sanitizer $tool "$class"; done
  done
  grep '^== ' "$folder/first.txt"
  if [ -n "$later" ]; then
    echo "run: call it again for the rest" >&2
    return 3
  fi
  ! grep '^== .* ended with [^0]' "$folder/first.txt" > /dev/null
}
[ $# -gt 0 ] || usage
command=$1
shift
trap 'exit 143' TERM INT
trap 'status=$?; [ $status = 2 ] || echo "run: $command ended with $status after $SECONDS s" >&2' EXIT
case $command in
  doctor) "${java[@]}" -jar "$here/nepenthe.jar" doctor ;;
  first)
    [ $# -eq 1 ] || usage
    first "$1"
    ;;
  tests) if [ $# -gt 0 ]; then run_tests "$@"; else run_tests "${all[@]}"; fi ;;
  demo) "${java[@]}" -jar "$here/nepenthe.jar" demo --device cuda "$@" ;;
  bench) "${java[@]}" -cp "$classes" $kernel.CudaMeasure "$@" ;;
  passes) passes "$@" ;;
  sanitizer) sanitizer "$@" ;;
  sanitize) if [ $# -gt 0 ]; then sanitize "$@"; else sanitize memcheck racecheck initcheck synccheck; fi ;;
  *) usage ;;
esac
