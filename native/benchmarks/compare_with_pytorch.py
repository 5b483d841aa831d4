"""Retort's training step beside the same loop in PyTorch, as published and as fast as PyTorch can be.

    python3 compare_with_pytorch.py build/benchmarks/retort_step_benchmark [TEACHER | METHOD ...]

Needs PyTorch and, for torch.compile, a C++ compiler; for resnet50, torchvision. The published loop is RepDistiller's:
contiguous, with the losses in the form of the published code. The best one has channels-last maps, a frozen and compiled
teacher whose BatchNorms are folded, a compiled student, the losses of best_losses.py, compiled but for CRD's, and the fused
SGD. All three take turns. Prints a table in Markdown: milliseconds a step, and how many times as fast Retort is. Losses and
hyper-parameters are RepDistiller's. Both sides start from the same weights, and the losses of the first two steps must agree
to 1e-5, or to 1e-4 for resnet50, whose first step is a large one; for CRD with PyTorch's loop in float64, since float32
rounds the published form's 1e-7 beside K / M and so is off by 5e-5 itself.
"""

import dataclasses
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import typing

import torch
from torch.nn import functional as F

from best_losses import BEST
from published_losses import Crd, Fsp, Kd, Nst, Ofd, ResNet

SAMPLES, NEGATIVES = 50_000, 16_384
THREADS = os.cpu_count()


@dataclasses.dataclass(frozen=True)
class Pair:
    """A teacher and its student, the classes and the images they train on, and how to make one of them."""

    teacher: str
    student: str
    classes: int
    batch: int
    size: int
    variants: dict
    make: typing.Callable
    widths: tuple = ()
    # To which the losses of the first two steps must agree.
    tolerance: float = 1e-5

    def network(self, name):
        return self.make(name, self)


def cifar_resnet(name, pair):
    return ResNet(int(name.removeprefix("resnet").removesuffix("x4")), pair.widths, 3, pair.classes)


def imagenet_resnet(name, _):
    import torchvision

    network = getattr(torchvision.models, name)()
    # Logits come first, as in published_losses.ResNet.
    network.register_forward_hook(lambda module, inputs, logits: (logits,))
    return network


VARIANTS = {
    "kd": ["channels_last", "contiguous", "direct", "bfloat16_teacher", "bfloat16", "cached_teacher"],
    "fsp": ["channels_last"],
    "nst": ["channels_last"],
    "crd": ["channels_last"],
    "ofd": ["channels_last"],
}
BOTH_ALGORITHMS = {"kd": ["channels_last", "direct"]}
PAIRS = {
    "resnet32x4": Pair("resnet32x4", "resnet8x4", 100, 64, 32, VARIANTS, cifar_resnet, (32, 64, 128, 256)),
    "resnet20": Pair("resnet20", "resnet8", 100, 64, 32, BOTH_ALGORITHMS, cifar_resnet, (16, 16, 32, 64)),
    "resnet50": Pair("resnet50", "resnet18", 1000, 16, 224, BOTH_ALGORITHMS, imagenet_resnet, tolerance=1e-4),
}
ROUNDS = 5
# Steps in one round; the first two of Retort's do not count, since each round is a process of its own.
PUBLISHED_STEPS = {"kd": 3, "fsp": 1, "nst": 1, "crd": 2, "ofd": 3}
STEPS = 5

PUBLISHED = {"kd": Kd, "fsp": Fsp, "nst": Nst, "crd": Crd, "ofd": Ofd}
# Of the cross-entropy and of the distillation loss.
WEIGHTS = {"kd": (0.1, 0.9), "fsp": (1, 1), "nst": (1, 50), "crd": (1, 0.8), "ofd": (1, 0.5)}


def criterion_of(method, widths, state, losses):
    if method == "crd":
        criterion = losses["crd"](widths[3], 128, SAMPLES)
        criterion.load_state_dict({k.replace("memory.embeddings", "memory"): v for k, v in state.items()}, strict=False)
        return criterion
    if method == "ofd":
        criterion = losses["ofd"](widths[1:])
        criterion.load_state_dict(state)
        return criterion
    return losses[method]()


class Loop:
    """RepDistiller's training loop on one batch."""

    def __init__(self, folder, pair, method, batch, dtype=torch.float32, best=False):
        state = checkpoint(f"{folder}/step.retort")
        part = lambda prefix: {k[len(prefix) :]: v for k, v in state.items() if k.startswith(prefix)}
        self.student, self.teacher = pair.network(pair.student), pair.network(pair.teacher)
        self.student.load_state_dict(part("student."))
        self.teacher.load_state_dict(torch.load(f"{folder}/teacher.pt", weights_only=True))
        self.criterion = criterion_of(method, pair.widths, part("terms.0."), BEST if best else PUBLISHED)
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


def ours(program, folder, pair, method, variant, steps):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_")}
    environment["RETORT_THREADS"] = str(THREADS)
    command = [program, folder, pair.teacher, method, variant, str(steps)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def median(results):
    return statistics.median(result["milliseconds"] for result in results)


def check(method, variant, mine, theirs, tolerance):
    if "bfloat16" in variant or "cached" in variant:
        return
    for step in range(2):
        for value in ("cross_entropy", "term"):
            a, b = mine[step][value], theirs[step][value]
            if abs(a - b) > tolerance * abs(b):
                raise SystemExit(f"{method}, {variant}: {value} of step {step} must be {b} (got {a})")


def ratios(theirs, mine):
    """Of the medians of rounds, their median and their minimum."""
    of_rounds = [their / my for their, my in zip(theirs, mine)]
    return f"{statistics.median(of_rounds):.2f} | {min(of_rounds):.2f}"


def compare(program, pair, method):
    batch = batch_for(pair)
    with tempfile.TemporaryDirectory() as folder:
        batch["images"].numpy().tofile(f"{folder}/images.bin")
        batch["contrast"].numpy().tofile(f"{folder}/contrast.bin")
        variants = pair.variants[method]
        published_loop = best_loop = None
        published, best, mine = [], [], {variant: [] for variant in variants}
        for _ in range(ROUNDS):
            for variant in variants:
                results = ours(program, folder, pair, method, variant, 2 + STEPS)
                if not published_loop:
                    published_loop = Loop(folder, pair, method, batch)
                    exact = Loop(folder, pair, method, batch, torch.float64) if method == "crd" else published_loop
                    first = [exact.step() for _ in range(2)]
                    best_loop = Loop(folder, pair, method, batch, best=True)
                    # The third compiles nothing any more.
                    check(method, "best PyTorch", [best_loop.step() for _ in range(3)], first, 1e-4)
                if not mine[variant]:
                    check(method, variant, results, first, pair.tolerance)
                mine[variant].append(median(results[2:]))
            published.append(median([published_loop.step() for _ in range(PUBLISHED_STEPS[method])]))
            best.append(median([best_loop.step() for _ in range(STEPS)]))
        for variant, of_rounds in mine.items():
            times = " | ".join(f"{statistics.median(times):.0f}" for times in (published, best, of_rounds))
            print(
                f"| {pair.teacher} | {method} | {variant.replace('_', ' ')} | {times} | {ratios(published, of_rounds)} "
                f"| {ratios(best, of_rounds)} |",
                flush=True,
            )


def batch_for(pair):
    torch.manual_seed(1)
    indices = torch.arange(pair.batch) * 7
    return {
        "images": torch.randn(pair.batch, 3, pair.size, pair.size),
        "labels": torch.arange(pair.batch) % pair.classes,
        "indices": indices,
        "contrast": torch.cat([indices[:, None], torch.randint(SAMPLES, (pair.batch, NEGATIVES))], 1),
    }


def main():
    program, *asked = sys.argv[1:]
    torch.set_num_threads(THREADS)
    print(
        "| teacher | losses | Retort's variant | published, ms | best PyTorch, ms | Retort, ms "
        "| published / Retort: median | minimum | best / Retort: median | minimum |"
    )
    print("| --- " * 10 + "|")
    for pair in [PAIRS[name] for name in asked if name in PAIRS] or PAIRS.values():
        for method in [name for name in asked if name in VARIANTS] or pair.variants:
            compare(program, pair, method)


if __name__ == "__main__":
    main()
