#!/bin/sh
# Builds Retort for the GPU of this machine against its PyTorch, and runs the tests, also under compute-sanitizer.
#
#   native/tests/run-on-gpu.sh [BUILD_FOLDER]
#
# Needs CMake, Ninja, GoogleTest, a C++ compiler, nvcc, and Python with torch 2.10 or newer, or LibTorch_ROOT in the
# environment.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
build=${1:-$here/build/gpu}
libtorch=${LibTorch_ROOT:-$(python3 -c 'import pathlib, torch; print(pathlib.Path(torch.__file__).parent)')}
architecture=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -n 1 | tr -d .)

cmake -S "$here" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DLibTorch_ROOT="$libtorch" -DRETORT_CUDA=ON \
  -DRETORT_CUDA_ARCHITECTURES="$architecture" -DRETORT_WARNINGS_AS_ERRORS=OFF
cmake --build "$build"

"$build/tests/cuda_matches_cpu_test"
"$build/tests/train_golden_step_test"
for tool in memcheck racecheck; do
  compute-sanitizer --tool "$tool" --error-exitcode 1 "$build/tests/cuda_matches_cpu_test"
done
ctest --test-dir "$build" --output-on-failure
