#!/usr/bin/env bash
# Builds and runs fuzz targets; README.md says what they are.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
. scripts/lib.sh

usage() {
  cat <<'HELP'
Usage: fuzz/run.sh TARGET|--all [SECONDS]

  TARGET    a name of fuzz/targets.h, such as json_decoder
  --all     each of them, as many at a time as there are cores
  SECONDS   for each target; 900 unless told

What was learnt is kept beside the downloads of scripts/deps.sh, in fuzz/, and used by the next run. An input that breaks a target is
left as build/fuzz/findings/TARGET-*; `build/fuzz/fuzz_TARGET FILE` runs it again.
MILLRACE_FUZZ_JOBS says how many run at a time, MILLRACE_FUZZ_TIMEOUT after how many seconds an input hangs.
The last line is "N passed, N failed".
HELP
}
case ${1:-} in -h | --help) usage; exit ;; '') usage >&2; exit 2 ;; esac
seconds=${2:-900}
[[ $seconds =~ ^[1-9][0-9]*$ ]] || { usage >&2; die "SECONDS has to be a whole number: $seconds"; }
targets=()
for folder in fuzz/corpus/*/; do
  name=$(basename "$folder")
  if [ "$1" = --all ] || [ "$1" = "$name" ]; then targets+=("$name"); fi
done
[ ${#targets[@]} -gt 0 ] || die "there is no target $1" "Known are: $(ls fuzz/corpus | tr '\n' ' ')"

dictionary_of() {
  case $1 in
    json_* | debezium) echo json ;;
    avro_decoder | avro_schema | avro_container | registry) echo avro_schema ;;
    sql_type) echo sql_type ;;
  esac
}

# An input of 1 MB may take 2 s; sanitizers make that 10 s.
run_target() { # run_target NAME
  local name=$1 learnt=$(cache_folder)/fuzz/$1 log=build/fuzz/$1.log dictionary options=()
  dictionary=$(dictionary_of "$name")
  [ -n "$dictionary" ] && options=("-dict=fuzz/dictionaries/$dictionary.dict")
  mkdir -p "$learnt" build/fuzz/findings
  # Freed memory is watched, but not 256 MB of it: that is a part of the limit.
  if ASAN_OPTIONS=quarantine_size_mb=32 "build/fuzz/fuzz_$name" "${options[@]}" -max_total_time="$seconds" -max_len=1048576 -timeout="${MILLRACE_FUZZ_TIMEOUT:-10}" \
    -rss_limit_mb=1024 -print_final_stats=1 -artifact_prefix="build/fuzz/findings/$name-" \
    "$learnt" "fuzz/corpus/$name" >"$log" 2>&1 </dev/null; then
    say "$name: $(grep -aE '^#[0-9]+.*DONE' "$log" | tail -n 1 | tr -s '\t ' ' ')"
  else
    say "$name: FOUND something; all of the output: $log"
    grep -aE -A 12 'ERROR|terminate called|what\(\)|runtime error|Test unit written' "$log" | head -n 60
    return 1
  fi
}

# configures and builds with the clang that scripts/deps.sh knows of
compiler=$(scripts/deps.sh --print-tool clang++) || exit
mkdir -p build
cmake --preset fuzz -DCMAKE_CXX_COMPILER="$compiler" >build/fuzz.configure.log 2>&1 || { cat build/fuzz.configure.log; exit 1; }
cmake --build --preset fuzz -j "$(jobs)" >build/fuzz.build.log 2>&1 || { tail -n 40 build/fuzz.build.log; exit 1; }

passed=0 failed=0 running=0
for name in "${targets[@]}"; do
  if [ "$running" -ge "${MILLRACE_FUZZ_JOBS:-$(nproc)}" ]; then
    if wait -n; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
    running=$((running - 1))
  fi
  run_target "$name" &
  running=$((running + 1))
done
while [ "$running" -gt 0 ]; do
  if wait -n; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
  running=$((running - 1))
done
say "$passed passed, $failed failed"
[ "$failed" = 0 ]
