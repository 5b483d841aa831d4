"""Retort's losses beside PyTorch's, as published and as fast as PyTorch can be.

    python3 compare_losses_with_pytorch.py libretort.so [LOSS ...]

Needs the PyTorch that Retort was built for and, for torch.compile, a C++ compiler. Every loss of PyTorch is written in
several ways: as products of matrices, compiled, and with its gradients computed over chunks of the batch; the fastest
counts. All of them and Retort's take turns in one process, forward and backward. Values and gradients must agree to 1e-4
first. Prints a table in Markdown with the medians and the minima of the rounds' ratios. Maps and memories are those of the
papers: batches of 64, resnet32x4 and resnet8x4, 50,000 samples, 16,384 negatives.

RETORT_CPU=avx2 ATEN_CPU_CAPABILITY=avx2 MKL_ENABLE_INSTRUCTIONS=AVX2 compares both sides without AVX-512. What was compiled
with it must not be used again then: TORCHINDUCTOR_CACHE_DIR names another folder.
"""

import functools
import math
import os
import statistics
import sys
import time

import torch
from torch.nn import functional as F

import best_losses as best
from published_losses import Crd, Fsp, Nst, Ofd

BATCH, SAMPLES, NEGATIVES, DIMENSION = 64, 50_000, 16_384, 128
SHAPES = [(32, 32), (64, 32), (128, 16), (256, 8)]
CHUNKS = [1, 4, 16]
ROUNDS, WARM_UP = 9, 3


def compiled(function):
    return torch.compile(function, dynamic=False)


def published_fsp(student, teacher):
    pairs = zip(Fsp.matrices(student), Fsp.matrices(teacher))
    return sum((s - t).pow(2).mean() for s, t in pairs)


def published_ofd(student, teacher):
    """Without a connector."""

    class Same:
        conv = norm = staticmethod(lambda maps: maps)

    return sum(Ofd.of_maps(Same, s, t) for s, t in zip(student, teacher))


def chunked(function, *arguments):
    return {
        f"in chunks of {chunk}": (lambda s, t, chunk=chunk: function(s, t, *arguments, chunk)) for chunk in CHUNKS
    }


def losses_of_maps(ops):
    """For each loss its first map, PyTorch's forms, the published one first, and Retort's."""
    nst = lambda kernel: lambda s, t: sum(ops.nst_loss(s, t, kernel))
    polynomial = {
        "published": lambda s, t: sum(Nst.of_maps(*maps) for maps in zip(s, t)),
        "products": best.nst,
        "compiled": compiled(best.nst),
    }
    gaussian = {"products": best.gaussian_nst, "compiled": compiled(best.gaussian_nst)}
    fsp = {"published": published_fsp, "products": best.fsp, "compiled": compiled(best.fsp)}
    ofd = {"published": published_ofd, "products": best.ofd, "compiled": compiled(best.ofd)}
    return {
        "fsp": (0, fsp | chunked(best.chunked_fsp), lambda s, t: sum(ops.fsp_loss(s, t))),
        "nst polynomial": (1, polynomial | chunked(best.chunked_nst, "polynomial"), nst("polynomial")),
        "nst gaussian": (1, gaussian | chunked(best.chunked_nst, "gaussian"), nst("gaussian")),
        "ofd": (1, ofd, lambda s, t: sum(ops.ofd_loss(a, b, ops.ofd_batch_margin(b)) for a, b in zip(s, t))),
    }


def crd_forms(ops):
    limit = math.sqrt(3 / DIMENSION)
    memories = [torch.empty(SAMPLES, DIMENSION).uniform_(-limit, limit) for _ in range(2)]
    contrast = torch.randint(SAMPLES, (BATCH, NEGATIVES + 1))
    z = 2.2 * SAMPLES
    module = Crd(1, DIMENSION, 1)
    module.z = {"student": z, "teacher": z}

    def published(student, teacher):
        of_student = module.side("student", student, memories[1], contrast)
        return of_student + module.side("teacher", teacher, memories[0], contrast)

    forms = {"published": published, "product": lambda s, t: best.crd(s, t, *memories, contrast, z)}
    return forms, lambda s, t: ops.crd_loss(s, t, *memories, contrast, z, z, 0.07)


def run(loss, inputs):
    """The seconds, the loss and the gradients."""
    for one in inputs:
        one.grad = None
    start = time.perf_counter()
    value = loss()
    value.backward()
    return time.perf_counter() - start, [value.detach(), *(one.grad for one in inputs)]


def check(name, form, actual, expected):
    for a, b in zip(actual, expected):
        if not (a - b).abs().max() <= 1e-4 * b.abs().max():
            raise SystemExit(f"{name}: values and gradients must be those of the first form (got others from {form})")


def compare(name, forms, ours, inputs):
    losses = forms | {"retort": ours}
    expected = run(losses[next(iter(losses))], inputs)[1]
    for form, loss in losses.items():
        check(name, form, run(loss, inputs)[1], expected)
    times = {form: [] for form in losses}
    for i in range(WARM_UP + ROUNDS):
        for form, loss in losses.items():
            # Of the published forms, which take seconds, a few are enough.
            if form != "published" or i < WARM_UP:
                seconds = run(loss, inputs)[0]
                if i >= WARM_UP or form == "published":
                    times[form].append(seconds)
    medians = {form: statistics.median(all_) * 1e3 for form, all_ in times.items()}
    fastest = min(forms, key=medians.get)
    ratios = [theirs / mine for theirs, mine in zip(times[fastest], times["retort"])]
    published = f"{medians['published']:.1f}" if "published" in medians else "–"
    print(
        f"| {name} | {published} | {medians[fastest]:.2f} | {fastest} | {medians['retort']:.2f} "
        f"| {statistics.median(ratios):.2f} | {min(ratios):.2f} |",
        flush=True,
    )


def main():
    library, *asked = sys.argv[1:]
    torch.ops.load_library(library)
    torch.manual_seed(0)
    torch.set_num_threads(os.cpu_count())
    ops = torch.ops.retort
    print("| loss | published, ms | best PyTorch, ms | form | Retort, ms | best / Retort: median | minimum |")
    print("| --- " * 7 + "|")
    student = [torch.randn(BATCH, c, size, size, requires_grad=True) for c, size in SHAPES]
    teacher = [torch.randn(BATCH, c, size, size) for c, size in SHAPES]
    for name, (first, forms, ours) in losses_of_maps(ops).items():
        if not asked or name in asked:
            s, t = student[first:], teacher[first:]
            bound = {form: functools.partial(loss, s, t) for form, loss in forms.items()}
            compare(name, bound, functools.partial(ours, s, t), s)
    if not asked or "crd" in asked:
        embeddings = [F.normalize(torch.randn(BATCH, DIMENSION)).requires_grad_() for _ in range(2)]
        forms, ours = crd_forms(ops)
        bound = {form: functools.partial(loss, *embeddings) for form, loss in forms.items()}
        compare("crd", bound, functools.partial(ours, *embeddings), embeddings)


if __name__ == "__main__":
    main()
