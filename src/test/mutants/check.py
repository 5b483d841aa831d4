#!/usr/bin/env python3
"""Compares what a run of PIT did not notice with survivors.txt, where each such change has a reason.

    src/test/mutants/check.py [target/pit-reports/mutations.csv]

Prints the changes that survived and are not listed, and those that are listed and were noticed. Fails if there are any of the
former. A change is known by its method, its kind and the text of its line, so that code may move.
"""

import csv
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]
SOURCES = ROOT / "src" / "main" / "java"
LIST = pathlib.Path(__file__).with_name("survivors.txt")
NOTICED = {"KILLED", "TIMED_OUT", "MEMORY_ERROR", "RUN_ERROR"}


def change_of(row):
    _, name, mutator, method, line = row[:5]
    path = name.split("$")[0].replace(".", "/")
    text = (SOURCES / f"{path}.java").read_text().split("\n")[int(line) - 1].strip()
    # Lambdas are numbered.
    method = re.sub(r"^lambda\$(\w+)\$\d+$", r"\1", method)
    kind = mutator.split(".")[-1].removesuffix("Mutator")
    return f"{path.removeprefix('org/retort/')}.{method} {kind}: {text}"


def listed():
    """The changes of the list, and the classes that it names with a .* for all of theirs. Lines that are not indented
    are reasons."""
    entries = {line.strip() for line in LIST.read_text().split("\n") if line.startswith("  ")}
    classes = {entry for entry in entries if entry.endswith(".*")}
    return entries - classes, {entry.removesuffix(".*") for entry in classes}


def main():
    report = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "target" / "pit-reports" / "mutations.csv")
    survived, noticed = set(), set()
    with report.open(newline="") as file:
        for row in csv.reader(file):
            (noticed if row[5] in NOTICED else survived).add(change_of(row))
    changes, classes = listed()
    unknown = {change for change in survived - changes if change.split(".")[0] not in classes}
    for change in sorted(unknown):
        print("not listed:", change)
    for change in sorted((noticed - survived) & changes):
        print("noticed:", change)
    print(f"{len(survived)} changes survived, {len(unknown)} of them not listed")
    return 1 if unknown else 0


if __name__ == "__main__":
    sys.exit(main())
