#!/usr/bin/env bash
# Lets libFuzzer look for inputs that end the process: native/tests/fuzz/run.sh SECONDS [NAME ...]
#
# NAME is one of the programs beside this script, less _fuzzer.cpp; without one, all run after each other. Each begins with the
# corpus in corpus/NAME.tar.xz and with files that the other tests read, and keeps what reaches new code in build/fuzz/corpus:
# pack.sh packs it. An input that ends the process becomes build/fuzz/crash-…; once that is corrected, it belongs in the corpus,
# whose files every run of the tests reads.
# Needs what the build needs, and Debian's clang-16, libclang-rt-16-dev, libomp-16-dev, llvm-16 and unzip.
set -euo pipefail

seconds=${1:?how many seconds for each}
shift
here=$(cd "$(dirname "$0")" && pwd)
native=$(cd "$here/../.." && pwd)
build=$native/build/fuzz
names=("$@")
((${#names[@]})) || names=(checkpoint exported_program operators state_dict)

# What the search begins with.
seeds_of() {
  local name=$1 folder=$2 file
  case $name in
    state_dict | checkpoint)
      local kind=${name/_dict/Dict}
      cp "$native/../src/test/resources/org/retort/fuzz/FileFuzzTestInputs/${kind}_anyFile_isReadOrRefusedByName/"* "$folder"
      ;;
    exported_program)
      for file in "$native"/tests/exported/*-2.10.pt2; do
        unzip -p "$file" '*/models/model.json' >"$folder/$(basename "$file" .pt2)"
      done
      ;;
  esac
}

(cd "$native" && cmake --preset fuzz >/dev/null && cmake --build --preset fuzz)
export LSAN_OPTIONS=suppressions=$here/leaks.supp:print_suppressions=0
export ASAN_SYMBOLIZER_PATH=$(command -v llvm-symbolizer-16)
failed=0
for name in "${names[@]}"; do
  corpus=$build/corpus/$name
  seeds=$build/seeds/$name
  mkdir -p "$corpus" "$seeds"
  seeds_of "$name" "$seeds"
  tar -xJf "$here/corpus/$name.tar.xz" -C "$corpus" --skip-old-files
  log=$build/$name.log
  if ! (cd "$build" && "tests/fuzz/${name}_fuzzer" -max_total_time="$seconds" -timeout=30 -rss_limit_mb=4096 -max_len=65536 \
    "$corpus" "$seeds") >"$log" 2>&1; then
    tail -n 40 "$log"
    failed=1
  fi
  echo "$name: $(grep -E '^#[0-9]+' "$log" | tail -n 1)"
done
exit $failed
