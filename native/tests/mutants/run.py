#!/usr/bin/env python3
"""Changes the library in one place after the other and runs the tests, one of which should fail each time.

    native/tests/mutants/run.py [--count 200] [--seed 1] [--results FILE] [FILE ...]

Works in a clone of the last commit, in target/mutants. Changes that do not compile do not count. Prints, for each change, the
program that noticed it or SURVIVED, and at the end how many there were. With --results, a run that was interrupted goes on where
it ended, also after a commit: a change is known by its file and its text. results.txt has those of the repository; whoever adds
a test for a change that survived deletes its line. Needs what the build needs.
"""

import argparse
import hashlib
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
CLONE = ROOT / "target" / "mutants"
BUILD = CLONE / "native" / "build" / "release"

# The programs that test a folder, the quickest first.
PROGRAMS = {
    "io": ["io_test", "system_calls_test", "models_test", "train_internals_test", "out_of_memory_test",
           "models_internals_test"],
    "losses": ["own_losses_test", "losses_test", "train_test"],
    "train": ["train_internals_test", "train_test", "system_calls_test", "train_ranks_test", "train_ranks_failures_test"],
}

# What is changed to what: expressions of Python, in code without texts and comments.
OPERATORS = [
    (r" < ", " <= "), (r" <= ", " < "), (r" > ", " >= "), (r" >= ", " > "),
    (r" == ", " != "), (r" != ", " == "), (r" && ", " || "), (r" \|\| ", " && "),
    (r" \+ ", " - "), (r" - ", " + "), (r" \* ", " / "), (r" / ", " * "), (r" \+= ", " -= "), (r" -= ", " += "),
    (r"\btrue\b", "false"), (r"\bfalse\b", "true"), (r"(?<=[(\s])!(?=\w)", ""), (r"\b0\b", "1"), (r"\b1\b", "2"),
    (r"\+\+(?=\w)", "--"), (r"std::min\b", "std::max"), (r"std::max\b", "std::min"), (r"\bbreak;", ";"),
    (r"\bcontinue;", ";"), (r"^(\s+)(?!return|throw|using|const|auto|at::|std::|int|bool)[\w.>:()-]+\(.*\);$", r"\1;"),
]
# Code that says something, or declares; a change of it is none of behaviour.
SKIPPED = re.compile(r"^\s*(#|//|/\*|\*|namespace|template|using|static_assert|explicit|virtual|constexpr|class|struct|enum|}|RETORT_API|public:|private:|m\.def)")


class Mutant:
    def __init__(self, file, line, old, new):
        self.file, self.line, self.old, self.new = file, line, old, new

    def __str__(self):
        return f"{self.file}: {self.old.strip()}  ->  {self.new.strip()}"

    def place_in_order(self, seed):
        """The same after changes elsewhere."""
        return hashlib.sha256(f"{seed} {self}".encode()).hexdigest()

    def apply(self):
        path = CLONE / self.file
        lines = path.read_text().split("\n")
        assert lines[self.line] == self.old
        lines[self.line] = self.new
        path.write_text("\n".join(lines))


def blanked(line):
    """The line with texts and comments replaced by spaces, so that columns stay."""
    blank = lambda match: " " * len(match.group())
    return re.sub(r"//.*", blank, re.sub(r'"(\\.|[^"\\])*"', blank, line))


def mutants_of(file):
    found = []
    for number, line in enumerate((CLONE / file).read_text().split("\n")):
        if SKIPPED.match(line):
            continue
        code = blanked(line)
        for pattern, replacement in OPERATORS:
            for match in re.finditer(pattern, code):
                new = line[: match.start()] + match.expand(replacement) + line[match.end():]
                found.append(Mutant(file, number, line, new))
    return found


NOT_COMPILED = "DOES NOT COMPILE"
SURVIVED = "SURVIVED"


def run(command, seconds, **options):
    """Whether a command succeeds in time."""
    try:
        return subprocess.run(
            command, timeout=seconds, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def build(programs, seconds=900):
    return run(["cmake", "--build", "--preset", "release", "--target", *programs], seconds, cwd=CLONE / "native")


def passes(program, seconds):
    return run([BUILD / "tests" / program, "--gtest_fail_fast", "--gtest_brief=1"], seconds, cwd=BUILD)


def usual_seconds(program):
    """How long a program takes that passes."""
    start = time.monotonic()
    if not passes(program, 1800):
        sys.exit(f"mutants: {program} must pass before anything is changed")
    return time.monotonic() - start


def result(mutant, limits):
    """The first program that fails with a change, or takes longer than its limit; SURVIVED if there is none."""
    programs = PROGRAMS[pathlib.Path(mutant.file).parts[2]]
    mutant.apply()
    try:
        if not build(programs):
            return NOT_COMPILED
        return next((program for program in programs if not passes(program, limits[program])), SURVIVED)
    finally:
        subprocess.run(["git", "-C", CLONE, "checkout", "--quiet", mutant.file], check=True)


def prepare():
    if not (CLONE / ".git").exists():
        subprocess.run(["git", "clone", "--quiet", "--shared", "--no-checkout", ROOT, CLONE], check=True)
    git = ["git", "-C", CLONE]
    subprocess.run([*git, "fetch", "--quiet", "origin", "HEAD"], check=True)
    subprocess.run([*git, "checkout", "--quiet", "--force", "--detach", "FETCH_HEAD"], check=True)
    subprocess.run(
        ["cmake", "--preset", "release", f"-DLibTorch_ROOT={ROOT}/target/libtorch"], check=True,
        cwd=CLONE / "native", stdout=subprocess.DEVNULL)
    everything = sorted({program for programs in PROGRAMS.values() for program in programs})
    if not build(everything, 7200):
        sys.exit("mutants: the last commit must compile")
    return {program: 30 + 4 * usual_seconds(program) for program in everything}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=200, help="how many changes that compile")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("files", nargs="*", help="files of native/src; without any, those of io, losses and train")
    parser.add_argument("--results", type=pathlib.Path, help="a file of results, which are added to it and not computed again")
    options = parser.parse_args()
    limits = prepare()
    folders = [CLONE / "native" / "src" / folder for folder in PROGRAMS]
    files = options.files or sorted(
        str(path.relative_to(CLONE)) for folder in folders for path in folder.rglob("*") if path.suffix in (".cpp", ".h"))
    mutants = {str(mutant): mutant for file in files for mutant in mutants_of(file)}.values()
    known = {}
    if options.results and options.results.exists():
        known = {text: outcome for outcome, text in (line.split(": ", 1) for line in options.results.read_text().splitlines())}
    results = []
    for mutant in sorted(mutants, key=lambda one: (str(one) not in known, one.place_in_order(options.seed))):
        if len(results) == options.count:
            break
        outcome = known.get(str(mutant))
        if outcome is None:
            outcome = result(mutant, limits)
            if options.results:
                with options.results.open("a") as file:
                    print(f"{outcome}: {mutant}", file=file)
        if outcome != NOT_COMPILED:
            results.append(outcome)
            print(f"{outcome}: {mutant}", flush=True)
    survived = results.count(SURVIVED)
    print(f"{len(results)} changes, {len(results) - survived} noticed, {survived} not")


if __name__ == "__main__":
    main()
