#!/bin/sh
# Builds Retort for the GPU of this machine against its PyTorch, runs the tests, also under compute-sanitizer, and
# measures the losses and whole steps. The report is written to BUILD_FOLDER-benchmarks.txt.
#
#   native/tests/run-on-gpu.sh [BUILD_FOLDER]
#
# Needs
# - an NVIDIA driver with nvidia-smi, and CUDA's nvcc and compute-sanitizer in the PATH;
# - CMake 3.25, Ninja and a C++ compiler (Debian's cmake, ninja-build, g++);
# - GoogleTest, Google Benchmark, xxHash and JSON for Modern C++, installed (libgtest-dev, libbenchmark-dev, libxxhash-dev,
#   nlohmann-json3-dev);
# - Python with torch 2.10 or newer for CUDA, or LibTorch_ROOT in the environment.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
build=${1:-$here/build/gpu}
report=${build%/}-benchmarks.txt
passed=

# Remembers what has passed, to say so at the end, be it with what `set -e` has ended the script for.
pass() {
  passed="$passed
passed: $1"
}
trap 'echo "$passed"' EXIT

for program in nvidia-smi nvcc compute-sanitizer cmake ninja; do
  command -v "$program" > /dev/null || { echo "run-on-gpu.sh: $program must be in the PATH" >&2; exit 1; }
done
libtorch=${LibTorch_ROOT:-$(python3 -c 'import pathlib, torch; print(pathlib.Path(torch.__file__).parent)')}
architecture=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -n 1 | tr -d .)

cmake -S "$here" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DLibTorch_ROOT="$libtorch" -DRETORT_CUDA=ON \
  -DRETORT_CUDA_ARCHITECTURES="$architecture" -DRETORT_BUILD_BENCHMARKS=ON -DRETORT_WARNINGS_AS_ERRORS=OFF
cmake --build "$build"
pass "build for compute capability $architecture against $libtorch"

# Says what a GPU lacks, for which tests would be skipped.
"$build/benchmarks/retort_benchmarks" --device=cuda --benchmark_list_tests > /dev/null
"$build/tests/cuda_test" --gtest_filter='CudaMatchesCpu*'
pass "every loss, variant and dtype as on the CPU"
"$build/tests/cuda_test" --gtest_filter=-'CudaMatchesCpu*'
pass "training as on the CPU: plain, with late results, by a CUDA graph"
"$build/tests/train_test" --gtest_filter='*GoldenStep*'
pass "golden training steps, on the GPU, too"
for tool in memcheck racecheck; do
  compute-sanitizer --tool "$tool" --error-exitcode 1 "$build/tests/cuda_test" --gtest_filter='-*OutOfMemory*'
  pass "compute-sanitizer's $tool"
done
ctest --test-dir "$build" --output-on-failure
pass "all tests"

nvidia-smi --query-gpu=name,driver_version --format=csv,noheader | head -n 1 > "$report"
"$build/benchmarks/retort_benchmarks" --device=cuda >> "$report"
"$build/benchmarks/retort_cuda_step_benchmark" >> "$report"
tail -n +2 "$report"
pass "benchmarks, in $report"
