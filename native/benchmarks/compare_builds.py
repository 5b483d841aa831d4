"""Two builds of Retort itself, to see what a change costs or gains.

    python3 compare_builds.py OLD/benchmarks NEW/benchmarks [--rounds 5] [--filter REGEX] [--slower 1.1]

Each folder holds the benchmark programs of a build. The builds take turns: in each round, every loss, the step of
RepDistiller's networks for every method, and the small step run once with each. Prints a table in Markdown with the median
and the minimum of the rounds' ratios, old to new, so that more than 1 is faster now, and the growth of libretort.so. Exits
with 1 if a case takes more than --slower times as long as before in every round.
"""

import argparse
import array
import json
import os
import pathlib
import random
import re
import statistics
import subprocess
import sys
import tempfile

BATCH, SAMPLES, NEGATIVES, CHANNELS, SIZE = 64, 50_000, 16_384, 3, 32
METHODS = ["kd", "fsp", "nst", "crd", "ofd"]
STEPS, WARM_UP = 7, 2
SMALL_STEPS = 20_000
OURS = "/ours/"


def output_of(*command):
    # Idle threads of OpenMP that spin for long make figures of a busy machine useless.
    environment = {"GOMP_SPINCOUNT": "10000"} | os.environ
    return subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout


def losses(programs, pattern):
    """The milliseconds of every loss that the pattern matches."""
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        filter_ = f"--benchmark_filter=({pattern}).*{OURS}" if pattern else f"--benchmark_filter={OURS}"
        output_of(f"{programs}/retort_benchmarks", "--unchecked", filter_, f"--benchmark_out={report.name}")
        content = report.read()
    # Nothing is written where no case matches.
    results = json.loads(content)["benchmarks"] if content else []
    return {r["run_name"].split(OURS)[0]: r["real_time"] for r in results if r.get("aggregate_name") == "median"}


def steps(programs, folder, pattern):
    times = {}
    for method in METHODS:
        name = f"step resnet32x4 -> resnet8x4, {method}"
        if re.search(pattern, name):
            command = [f"{programs}/retort_step_benchmark", folder, "resnet32x4", method, "channels_last", str(STEPS + WARM_UP)]
            results = json.loads(output_of(*command))
            times[name] = statistics.median(result["milliseconds"] for result in results[WARM_UP:])
    return times


def small_step(programs, pattern):
    name = "small step"
    if not re.search(pattern, name):
        return {}
    results = json.loads(output_of(f"{programs}/retort_small_step_benchmark", "linear", str(SMALL_STEPS)))
    return {name: results["retort"]["p50"] / 1e6}


def write_batch(folder):
    """The images and candidates that retort_step_benchmark trains on."""
    numbers = random.Random(1)
    with open(f"{folder}/images.bin", "wb") as file:
        array.array("f", (numbers.gauss(0, 1) for _ in range(BATCH * CHANNELS * SIZE**2))).tofile(file)
    with open(f"{folder}/contrast.bin", "wb") as file:
        for i in range(BATCH):
            array.array("q", [7 * i, *(numbers.randrange(SAMPLES) for _ in range(NEGATIVES))]).tofile(file)


def library_size(programs):
    """The bytes of the library that a build's programs load."""
    listed = output_of("ldd", f"{programs}/retort_step_benchmark").decode()
    return os.path.getsize(re.search(r"libretort\.so\S* => (\S+)", listed)[1])


def compare(old, new, rounds, pattern):
    """The milliseconds of each case, a pair of them in each round."""
    times = {}
    with tempfile.TemporaryDirectory() as folder:
        write_batch(folder)
        for _ in range(rounds):
            measured = [
                losses(programs, pattern) | steps(programs, folder, pattern) | small_step(programs, pattern)
                for programs in (old, new)
            ]
            for name in measured[0].keys() & measured[1].keys():
                times.setdefault(name, []).append((measured[0][name], measured[1][name]))
    return dict(sorted(times.items()))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=pathlib.Path)
    parser.add_argument("new", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--filter", default="", metavar="REGEX", help="compares only the cases that it matches")
    parser.add_argument("--slower", type=float, default=1.1, metavar="RATIO", help="what counts as a regression")
    options = parser.parse_args()
    times = compare(options.old, options.new, options.rounds, options.filter)
    if not times:
        sys.exit(f"--filter must match a case of both builds (got {options.filter})")
    print("| case | old, ms | new, ms | old / new: median | minimum |\n| --- | --- | --- | --- | --- |")
    slower = []
    for name, pairs in times.items():
        ratios = [old / new for old, new in pairs]
        old, new = (statistics.median(side) for side in zip(*pairs))
        print(f"| {name} | {old:.3g} | {new:.3g} | {statistics.median(ratios):.2f} | {min(ratios):.2f} |")
        if max(ratios) * options.slower < 1:
            slower.append(name)
    sizes = [library_size(programs) for programs in (options.old, options.new)]
    print(f"\nlibretort.so: {sizes[0] / 1e6:.2f} MB, now {sizes[1] / 1e6:.2f} MB")
    if slower:
        sys.exit(f"slower in every round: {', '.join(slower)}")


if __name__ == "__main__":
    main()
