"""Retort's training step beside the same loop in PyTorch, as published and as fast as PyTorch can be.

    python3 compare_with_pytorch.py build/benchmarks/retort_step_benchmark [METHOD ...]

Needs PyTorch and, for torch.compile, a C++ compiler. The published loop is RepDistiller's: contiguous, with the losses in
the form of the published code. The best one has channels-last maps, a frozen and compiled teacher whose BatchNorms are
folded, a compiled student, the losses of best_losses.py, compiled but for CRD's, and the fused SGD. All three take
turns. Prints a table in Markdown: milliseconds a step, and how many times as fast Retort is. Networks, shapes and
hyper-parameters are RepDistiller's: resnet32x4 teaches resnet8x4, batches of 64 images of 32 x 32 pixels. Both sides
start from the same weights, and the losses of the first two steps must agree to 1e-5; for CRD with PyTorch's loop in float64,
since float32 rounds the published form's 1e-7 beside K / M and so is off by 5e-5 itself.
"""

import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import torch
from torch.nn import functional as F

from best_losses import BEST
from published_losses import Crd, Fsp, Kd, Nst, Ofd, ResNet

BATCH, CLASSES, SAMPLES, NEGATIVES = 64, 100, 50_000, 16_384
THREADS = os.cpu_count()
VARIANTS = {
    "kd": ["channels_last", "contiguous", "direct", "bfloat16_teacher", "bfloat16", "cached_teacher"],
    "fsp": ["channels_last"],
    "nst": ["channels_last"],
    "crd": ["channels_last"],
    "ofd": ["channels_last"],
}
# Steps of PyTorch and Retort in one round; two rounds take turns.
ROUNDS = 2
STEPS = {"kd": (6, 12), "fsp": (2, 12), "nst": (2, 12), "crd": (4, 12), "ofd": (6, 12)}


PUBLISHED = {"kd": Kd, "fsp": Fsp, "nst": Nst, "crd": Crd, "ofd": Ofd}
# Of the cross-entropy and of the distillation loss.
WEIGHTS = {"kd": (0.1, 0.9), "fsp": (1, 1), "nst": (1, 50), "crd": (1, 0.8), "ofd": (1, 0.5)}
WIDTHS = [32, 64, 128, 256]


def criterion_of(method, state, losses):
    if method == "crd":
        criterion = losses["crd"](WIDTHS[3], 128, SAMPLES)
        criterion.load_state_dict({k.replace("memory.embeddings", "memory"): v for k, v in state.items()}, strict=False)
        return criterion
    if method == "ofd":
        criterion = losses["ofd"](WIDTHS[1:])
        criterion.load_state_dict(state)
        return criterion
    return losses[method]()


class Loop:
    """RepDistiller's training loop on one batch."""

    def __init__(self, folder, method, batch, dtype=torch.float32, best=False):
        state = checkpoint(f"{folder}/step.retort")
        part = lambda prefix: {k[len(prefix) :]: v for k, v in state.items() if k.startswith(prefix)}
        self.student, self.teacher = (ResNet(depth, WIDTHS, 3, CLASSES) for depth in (8, 32))
        self.student.load_state_dict(part("student."))
        self.teacher.load_state_dict(torch.load(f"{folder}/teacher.pt", weights_only=True))
        self.criterion = criterion_of(method, part("terms.0."), BEST if best else PUBLISHED)
        self.weights = WEIGHTS[method]
        parameters = [*self.student.parameters(), *self.criterion.parameters()]
        for module in (self.student, self.teacher, self.criterion):
            module.to(dtype)
        self.batch = {**batch, "images": batch["images"].to(dtype)}
        self.optimizer = torch.optim.SGD(parameters, lr=0.05, momentum=0.9, weight_decay=5e-4, fused=best)
        self.student.train()
        self.teacher.eval()
        if best:
            self.optimise(method)

    def optimise(self, method):
        last = {"memory_format": torch.channels_last}
        self.batch["images"] = self.batch["images"].contiguous(**last)
        self.student = torch.compile(self.student.to(**last), dynamic=False)
        self.teacher = torch.compile(self.teacher.to(**last), dynamic=False, options={"freezing": True})
        # Of CRD, whose Z is a number of the first batch, nothing can be fused.
        if method != "crd":
            self.criterion = torch.compile(self.criterion.to(**last), dynamic=False)

    def step(self):
        start = time.perf_counter()
        output = self.student(self.batch["images"])
        with torch.no_grad():
            taught = self.teacher(self.batch["images"])
        cross_entropy = F.cross_entropy(output[0], self.batch["labels"])
        term = self.criterion(output, taught, self.batch)
        loss = self.weights[0] * cross_entropy + self.weights[1] * term
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        milliseconds = (time.perf_counter() - start) * 1e3
        return {"milliseconds": milliseconds, "cross_entropy": cross_entropy.item(), "term": term.item()}


def checkpoint(path):
    """The tensors of a checkpoint, which end it as torch.save wrote them."""
    with open(path, "rb") as file:
        content = file.read()
    return torch.load(io.BytesIO(content[content.index(b"PK\x03\x04") :]), weights_only=True)


def ours(program, folder, method, variant, steps):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_")}
    environment["RETORT_THREADS"] = str(THREADS)
    command = [program, folder, method, variant, str(steps)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def median(results):
    # The first step prepares what the others use again, the second fills caches.
    return statistics.median(result["milliseconds"] for result in results)


def check(method, variant, mine, theirs, tolerance=1e-5):
    if variant not in ("contiguous", "channels_last", "direct"):
        return
    for step in range(2):
        for value in ("cross_entropy", "term"):
            a, b = mine[step][value], theirs[step][value]
            if abs(a - b) > tolerance * abs(b):
                raise SystemExit(f"{method}, {variant}: {value} of step {step} must be {b} (got {a})")


def compare(program, method, batch):
    with tempfile.TemporaryDirectory() as folder:
        batch["images"].numpy().tofile(f"{folder}/images.bin")
        batch["contrast"].numpy().tofile(f"{folder}/contrast.bin")
        their_steps, our_steps = STEPS[method]
        theirs, bests, mine = [], [], {variant: [] for variant in VARIANTS[method]}
        for round_ in range(ROUNDS):
            for variant in VARIANTS[method]:
                results = ours(program, folder, method, variant, our_steps)
                mine[variant] += results[2:]
                if round_ == 0 and variant == VARIANTS[method][0]:
                    loop = Loop(folder, method, batch)
                    exact = Loop(folder, method, batch, torch.float64) if method == "crd" else loop
                    first = [exact.step() for _ in range(2)]
                    best = Loop(folder, method, batch, best=True)
                    # The third compiles nothing any more.
                    check(method, "channels_last", [best.step() for _ in range(3)], first, 1e-4)
                if round_ == 0:
                    check(method, variant, results, first)
            theirs += [loop.step() for _ in range(their_steps)]
            bests += [best.step() for _ in range(our_steps)]
        for variant, results in mine.items():
            milliseconds = median(results)
            print(
                f"| {method} | {variant.replace('_', ' ')} | {median(theirs):.0f} | {median(bests):.0f} | {milliseconds:.0f} "
                f"| {median(theirs) / milliseconds:.2f} | {median(bests) / milliseconds:.2f} |",
                flush=True,
            )


def main():
    program, *methods = sys.argv[1:]
    torch.manual_seed(1)
    torch.set_num_threads(THREADS)
    indices = torch.arange(BATCH) * 7
    batch = {
        "images": torch.randn(BATCH, 3, 32, 32),
        "labels": torch.arange(BATCH) % CLASSES,
        "indices": indices,
        "contrast": torch.cat([indices[:, None], torch.randint(SAMPLES, (BATCH, NEGATIVES))], 1),
    }
    print("| losses | Retort's variant | published, ms | best PyTorch, ms | Retort, ms | published / Retort | best / Retort |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for method in methods or VARIANTS:
        compare(program, method, batch)


if __name__ == "__main__":
    main()
