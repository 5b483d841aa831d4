#!/usr/bin/env bash
# Plants faults, one after the other, in a clone of what is committed: native/tests/planted/run.sh [FAULT ...]
#
# Each patch beside this script says what it breaks, what to build, what to run, and what the output must then match. Before a
# fault is planted the same run must pass. Fails if a fault is not reported. Needs what the build needs, and valgrind.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
copy=$root/target/planted

# The value of a field of a patch.
field() {
  sed --quiet "s/^$1: //p;/^---/q" "$here/$2.patch"
}

# Brings the copy to the last commit, so that only what has changed is compiled again.
update_copy() {
  [[ -d $copy/.git ]] || git clone --quiet --shared --no-checkout "$root" "$copy"
  git -C "$copy" fetch --quiet origin HEAD
  git -C "$copy" checkout --quiet --force --detach FETCH_HEAD
}

build() {
  local kind=$1 target=${2:-}
  case $kind in
    java)
      (cd "$copy" && mvn -B -q test-compile)
      ;;
    *)
      (
        cd "$copy/native"
        cmake --preset "$kind" -DLibTorch_ROOT="$root/target/libtorch" -DRETORT_UNITY_BUILD=ON
        cmake --build --preset "$kind" --target "$target"
      )
      ;;
  esac
}

# Builds and runs what a fault names; the output goes to a file.
run() {
  local fault=$1 output=$2
  # shellcheck disable=SC2046 # a kind and a target
  build $(field Build "$fault") >"$copy/build.log" 2>&1 || {
    tail -n 30 "$copy/build.log"
    echo "$fault: does not build" >&2
    return 2
  }
  # shellcheck disable=SC2046 # a command and its arguments
  (cd "$copy" && $(field Run "$fault")) >"$output" 2>&1
}

check() {
  local fault=$1 before after status
  before=$copy/$fault-before.log
  after=$copy/$fault-after.log
  if ! run "$fault" "$before"; then
    tail -n 30 "$before"
    echo "$fault: fails without the fault, see $before" >&2
    return 1
  fi
  git -C "$copy" apply "$here/$fault.patch"
  status=0
  run "$fault" "$after" || status=$?
  git -C "$copy" apply --reverse "$here/$fault.patch"
  if ((status == 0)) || ! grep --extended-regexp --quiet "$(field Reports "$fault")" "$after"; then
    echo "$fault: NOT REPORTED, see $after" >&2
    return 1
  fi
  echo "$fault: reported: $(grep --extended-regexp --max-count=1 "$(field Reports "$fault")" "$after")"
}

faults=("$@")
if ((${#faults[@]} == 0)); then
  for patch in "$here"/*.patch; do
    faults+=("$(basename "$patch" .patch)")
  done
fi
update_copy
failed=0
for fault in "${faults[@]}"; do
  check "$fault" || failed=1
done
exit $failed
