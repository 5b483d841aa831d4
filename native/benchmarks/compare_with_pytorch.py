"""Retort's training step beside the same loop in PyTorch, with the losses in the form of the published code.

    python3 compare_with_pytorch.py build/benchmarks/retort_step_benchmark [METHOD ...]

Needs PyTorch. Prints a table in Markdown: milliseconds a step, and how many times as fast Retort is. Networks, shapes and
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
from torch import nn
from torch.nn import functional as F

BATCH, CLASSES, SAMPLES, NEGATIVES = 64, 100, 50_000, 16_384
THREADS = os.cpu_count()
VARIANTS = {
    "kd": ["contiguous", "channels_last", "bfloat16_teacher", "bfloat16", "cached_teacher"],
    "fsp": ["channels_last"],
    "nst": ["channels_last"],
    "crd": ["channels_last"],
    "ofd": ["contiguous", "channels_last"],
}
# Steps of PyTorch and Retort in one round; two rounds take turns.
STEPS = {"kd": (6, 12), "fsp": (2, 12), "nst": (2, 12), "crd": (4, 12), "ofd": (6, 12)}


class Block(nn.Module):
    def __init__(self, inside, outside, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inside, outside, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outside)
        self.conv2 = nn.Conv2d(outside, outside, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outside)
        self.downsample = None
        if stride != 1 or inside != outside:
            self.downsample = nn.Sequential(
                nn.Conv2d(inside, outside, 1, stride, bias=False), nn.BatchNorm2d(outside)
            )

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(F.relu(x))))))
        return y + (F.relu(x) if self.downsample is None else self.downsample(F.relu(x)))


class ResNet(nn.Module):
    """Returns the logits, the maps (stem and three stages, before their last ReLU but for the stem), the embedding."""

    def __init__(self, depth):
        super().__init__()
        widths = [32, 64, 128, 256]
        self.conv1 = nn.Conv2d(3, widths[0], 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        for i in range(3):
            blocks = [
                Block(widths[i] if j == 0 else widths[i + 1], widths[i + 1], 2 if i > 0 and j == 0 else 1)
                for j in range((depth - 2) // 6)
            ]
            setattr(self, f"layer{i + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(widths[3], CLASSES)

    def forward(self, x):
        stem = F.relu(self.bn1(self.conv1(x)))
        maps = [stem]
        for layer in (self.layer1, self.layer2, self.layer3):
            maps.append(layer(maps[-1]))
        embedding = F.relu(maps[-1]).mean((2, 3))
        return self.fc(embedding), maps, embedding


class Kd(nn.Module):
    weights = (0.1, 0.9)

    def forward(self, student, teacher, _):
        temperature = 4
        p = F.log_softmax(student[0] / temperature, 1)
        q = F.softmax(teacher[0] / temperature, 1)
        return F.kl_div(p, q, reduction="sum") * temperature**2 / BATCH


class Fsp(nn.Module):
    weights = (1, 1)

    @staticmethod
    def matrices(maps):
        matrices = []
        for lower, upper in zip(maps, maps[1:]):
            if lower.shape[2] > upper.shape[2]:
                lower = F.adaptive_avg_pool2d(lower, upper.shape[2:])
            lower, upper = lower.flatten(2).unsqueeze(1), upper.flatten(2).unsqueeze(2)
            matrices.append((lower * upper).mean(-1))
        return matrices

    def forward(self, student, teacher, _):
        pairs = zip(self.matrices(after_relu(student)), self.matrices(after_relu(teacher)))
        return sum((s - t).pow(2).mean() for s, t in pairs)


class Nst(nn.Module):
    weights = (1, 50)

    @staticmethod
    def kernel(a, b):
        return (a.unsqueeze(2) * b.unsqueeze(1)).sum(-1).pow(2)

    def forward(self, student, teacher, _):
        loss = 0
        for s, t in list(zip(after_relu(student), after_relu(teacher)))[1:]:
            s, t = F.normalize(s.flatten(2), dim=2), F.normalize(t.flatten(2), dim=2)
            loss = loss + self.kernel(t, t).mean() + self.kernel(s, s).mean() - 2 * self.kernel(s, t).mean()
        return loss


class Crd(nn.Module):
    weights = (1, 0.8)

    def __init__(self, state):
        super().__init__()
        self.student_embedding, self.teacher_embedding = nn.Linear(256, 128), nn.Linear(256, 128)
        self.load_state_dict({k: v for k, v in state.items() if "_embedding." in k})
        self.register_buffer("student_memory", state["student_memory.embeddings"])
        self.register_buffer("teacher_memory", state["teacher_memory.embeddings"])
        self.z = {}

    def side(self, name, embedding, memory, contrast):
        noise = NEGATIVES / SAMPLES
        rows = memory.index_select(0, contrast.flatten()).view(BATCH, NEGATIVES + 1, 128)
        p = torch.exp(torch.bmm(rows, embedding.unsqueeze(2)) / 0.07)
        if name not in self.z:
            self.z[name] = p.mean().item() * SAMPLES
        p = (p / self.z[name]).squeeze(2)
        positive = torch.log(p[:, 0] / (p[:, 0] + noise + 1e-7))
        negatives = torch.log(noise / (p[:, 1:] + noise + 1e-7))
        return -(positive.sum() + negatives.sum()) / BATCH

    def forward(self, student, teacher, batch):
        s = F.normalize(self.student_embedding(student[2]), dim=1)
        t = F.normalize(self.teacher_embedding(teacher[2]), dim=1)
        loss = self.side("student", s, self.teacher_memory, batch["contrast"])
        loss = loss + self.side("teacher", t, self.student_memory, batch["contrast"])
        with torch.no_grad():
            for memory, embedding in ((self.student_memory, s), (self.teacher_memory, t)):
                moved = 0.5 * memory.index_select(0, batch["indices"]) + 0.5 * embedding
                memory.index_copy_(0, batch["indices"], F.normalize(moved, dim=1))
        return loss


class Ofd(nn.Module):
    weights = (1, 0.5)

    def __init__(self, state):
        super().__init__()
        self.connectors = nn.ModuleList()
        for width in (64, 128, 256):
            connector = nn.Module()
            connector.conv = nn.Conv2d(width, width, 1, bias=False)
            connector.norm = nn.BatchNorm2d(width)
            self.connectors.append(connector)
        self.load_state_dict(state)

    def forward(self, student, teacher, _):
        loss = 0
        for connector, s, t in zip(self.connectors, student[1][1:], teacher[1][1:]):
            s = connector.norm(connector.conv(s))
            negative = (t < 0).float()
            margin = (t * negative).sum((0, 2, 3), keepdim=True) / (negative.sum((0, 2, 3), keepdim=True) + 1e-6)
            target = torch.max(t, margin)
            counts = ((s > target) | (target > 0)).float()
            loss = loss + ((s - target) ** 2 * counts).mean()
        return loss


def after_relu(output):
    stem, *stages = output[1]
    return [stem, *(F.relu(stage) for stage in stages)]


def criterion_of(method, state):
    return {
        "kd": Kd,
        "fsp": Fsp,
        "nst": Nst,
        "crd": lambda: Crd(state),
        "ofd": lambda: Ofd(state),
    }[method]()


class Loop:
    """RepDistiller's training loop on one batch."""

    def __init__(self, folder, method, batch, dtype=torch.float32):
        state = checkpoint(f"{folder}/step.retort")
        part = lambda prefix: {k[len(prefix) :]: v for k, v in state.items() if k.startswith(prefix)}
        self.student, self.teacher = ResNet(8), ResNet(32)
        self.student.load_state_dict(part("student."))
        self.teacher.load_state_dict(torch.load(f"{folder}/teacher.pt", weights_only=True))
        self.criterion = criterion_of(method, part("terms.0."))
        parameters = [*self.student.parameters(), *self.criterion.parameters()]
        for module in (self.student, self.teacher, self.criterion):
            module.to(dtype)
        self.batch = {**batch, "images": batch["images"].to(dtype)}
        self.optimizer = torch.optim.SGD(parameters, lr=0.05, momentum=0.9, weight_decay=5e-4)
        self.student.train()
        self.teacher.eval()

    def step(self):
        start = time.perf_counter()
        output = self.student(self.batch["images"])
        with torch.no_grad():
            taught = self.teacher(self.batch["images"])
        cross_entropy = F.cross_entropy(output[0], self.batch["labels"])
        term = self.criterion(output, taught, self.batch)
        loss = self.criterion.weights[0] * cross_entropy + self.criterion.weights[1] * term
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


def check(method, variant, mine, theirs):
    if variant not in ("contiguous", "channels_last"):
        return
    for step in range(2):
        for value in ("cross_entropy", "term"):
            a, b = mine[step][value], theirs[step][value]
            if abs(a - b) > 1e-5 * abs(b):
                raise SystemExit(f"{method}, {variant}: {value} of step {step} must be {b} (got {a})")


def compare(program, method, batch):
    with tempfile.TemporaryDirectory() as folder:
        batch["images"].numpy().tofile(f"{folder}/images.bin")
        batch["contrast"].numpy().tofile(f"{folder}/contrast.bin")
        their_steps, our_steps = STEPS[method]
        theirs, mine = [], {variant: [] for variant in VARIANTS[method]}
        for round_ in range(2):
            for variant in VARIANTS[method]:
                results = ours(program, folder, method, variant, our_steps)
                mine[variant] += results[2:]
                if round_ == 0 and variant == VARIANTS[method][0]:
                    loop = Loop(folder, method, batch)
                    exact = Loop(folder, method, batch, torch.float64) if method == "crd" else loop
                    first = [exact.step() for _ in range(2)]
                if round_ == 0:
                    check(method, variant, results, first)
            theirs += [loop.step() for _ in range(their_steps)]
        for variant, results in mine.items():
            print(
                f"| {method} | {variant.replace('_', ' ')} | {median(theirs):.0f} | {median(results):.0f} "
                f"| {median(theirs) / median(results):.2f} |",
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
    print("| losses | Retort's variant | PyTorch, ms | Retort, ms | PyTorch / Retort |\n| --- | --- | --- | --- | --- |")
    for method in methods or VARIANTS:
        compare(program, method, batch)


if __name__ == "__main__":
    main()
