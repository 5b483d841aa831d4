#!/usr/bin/env bash
# Packs what run.sh has found, the inputs that are needed to reach the same code, as the corpus in the repository.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "$here/../.." && pwd)/build/fuzz
mkdir -p "$here/corpus"
for corpus in "$build"/corpus/*; do
  name=$(basename "$corpus")
  small=$build/small/$name
  rm -rf "$small"
  mkdir -p "$small"
  "$build/tests/fuzz/${name}_fuzzer" -set_cover_merge=1 "$small" "$corpus" >"$build/$name-merge.log" 2>&1
  tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cJf "$here/corpus/$name.tar.xz" -C "$small" .
  echo "$name: $(find "$small" -type f | wc -l) inputs, $(stat -c %s "$here/corpus/$name.tar.xz") bytes"
done
