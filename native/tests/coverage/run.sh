#!/usr/bin/env bash
# Reports which branches of the readers the tests take: native/tests/coverage/run.sh
#
# Builds with GCC's --coverage into build/coverage, runs the tests of files, networks and checkpoints and what libFuzzer has
# found, and prints a table and the lines of branches that were not taken. Branches of exceptions that a called function might
# throw do not count.
# Needs what the build needs, and Debian's gcovr.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
native=$(cd "$here/../.." && pwd)
build=$native/build/coverage
programs=(
  io_test models_test models_internals_test system_calls_test
  train_test train_internals_test train_ranks_test train_ranks_failures_test out_of_memory_test)

cd "$native"
cmake --preset coverage >/dev/null
cmake --build --preset coverage --target "${programs[@]}" checkpoint_replay exported_program_replay state_dict_replay
find "$build" -name '*.gcda' -delete
for program in "${programs[@]}"; do
  "$build/tests/$program" --gtest_brief=1 --gtest_filter=-*LongRanksTest*
done
ctest --test-dir "$build" --output-on-failure --tests-regex '^fuzz[.]'
gcovr --root "$native" --object-directory "$build" "$build" --exclude-throw-branches --exclude-unreachable-branches \
  --filter 'src/io/' --filter 'src/models/exported/(archive|program_reader)' --filter 'src/models/torchscript/program_source' \
  --filter 'src/train/(stored_outputs|stored_layout|stored_description|teacher_cache|checkpoint_copy|step_resume)[.]' \
  --branches --txt --html-details "$build/coverage.html"
