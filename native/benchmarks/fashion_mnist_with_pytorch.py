"""The experiment of the recipe `fashion-mnist` in PyTorch, with the losses in the form of the published code.

    python3 fashion_mnist_with_pytorch.py --retort FOLDER [--data FOLDER] [--seeds N] [METHOD ...]

Needs PyTorch, the files of Debian's package dataset-fashion-mnist, and the output folder of `retort distill --recipe
fashion-mnist`, whose teacher teaches here, too. Prints a line for each run on stderr, and at the end both sides in a
table in Markdown: mean and standard deviation of the accuracy on the test images in percent, mean of the seconds that
training takes without evaluation.
"""

import argparse
import gzip
import json
import os
import statistics
import sys
import time

import torch
from torch.nn import functional as F

from published_losses import Crd, Fsp, Kd, Nst, Ofd, ResNet

CLASSES, SIDE, PADDING = 10, 28, 2
WIDTHS = [16, 16, 32, 64]
MEAN, DEVIATION = 0.2860, 0.3530
PER_CLASS, BATCH, EPOCHS, FSP_EPOCHS = 200, 64, 15, 3
LEARNING_RATE, DROPS, FACTOR = 0.05, (0.6, 0.8), 0.1
NEGATIVES, DIMENSION = 1024, 64
# Of each stage the epochs, the weight of the cross-entropy, the distillation loss and its weight.
STAGES = {
    "student": [(EPOCHS, 1, None, 0)],
    "kd": [(EPOCHS, 0.1, Kd, 0.9)],
    "fsp": [(FSP_EPOCHS, 0, Fsp, 1), (EPOCHS, 1, None, 0)],
    "nst": [(EPOCHS, 1, Nst, 50)],
    "ofd": [(EPOCHS, 1, lambda: Ofd(WIDTHS[1:]), 0.5)],
    "crd": [(EPOCHS, 1, lambda: Crd(WIDTHS[3], DIMENSION, CLASSES * PER_CLASS), 0.8)],
}


def read(path):
    """An IDX file of bytes."""
    with gzip.open(path) as file:
        content = file.read()
    sizes = [int.from_bytes(content[4 + 4 * i : 8 + 4 * i], "big") for i in range(content[3])]
    return torch.frombuffer(bytearray(content), dtype=torch.uint8, offset=4 + 4 * len(sizes)).view(sizes)


def load(folder, part):
    images = read(f"{folder}/{part}-images-idx3-ubyte.gz").float().div(255).sub(MEAN).div(DEVIATION)
    return images.unsqueeze(1), read(f"{folder}/{part}-labels-idx1-ubyte.gz").long()


def hashed(number):
    """The finalizer of SplitMix64."""
    mask = 2**64 - 1
    number = (number + 0x9E3779B97F4A7C15) & mask
    number = (number ^ number >> 30) * 0xBF58476D1CE4E5B9 & mask
    number = (number ^ number >> 27) * 0x94D049BB133111EB & mask
    return number ^ number >> 31


def some_of_each_class(labels):
    """The images that `samples_per_class` of a recipe chooses: of each class those with the smallest hashes."""
    classes = [[] for _ in range(CLASSES)]
    for index, label in enumerate(labels.tolist()):
        classes[label].append(index)
    chosen = [sorted(indices, key=lambda index: hashed((1 << 32) + index))[:PER_CLASS] for indices in classes]
    return torch.tensor(sorted(sum(chosen, [])))


def augment(images):
    """A crop from each image with black around it, half of them flipped."""
    padded = F.pad(images, [PADDING] * 4, value=-MEAN / DEVIATION)
    crops = []
    for image in padded:
        top, left = torch.randint(2 * PADDING + 1, (2,)).tolist()
        crop = image[:, top : top + SIDE, left : left + SIDE]
        crops.append(crop.flip(2) if torch.rand(()) < 0.5 else crop)
    return torch.stack(crops)


def batches(images, labels):
    order = torch.randperm(len(images))
    for indices in order[: len(order) // BATCH * BATCH].split(BATCH):
        contrast = torch.cat([indices[:, None], torch.randint(len(images), (BATCH, NEGATIVES))], 1)
        yield augment(images[indices]), labels[indices], {"indices": indices, "contrast": contrast}


def train(student, teacher, data, stage):
    """Trains for the stage's epochs; returns the seconds that took."""
    epochs, weight, make, criterion_weight = stage
    criterion = make() if make else None
    parameters = [*student.parameters(), *(criterion.parameters() if criterion else [])]
    optimizer = torch.optim.SGD(parameters, lr=LEARNING_RATE, momentum=0.9, weight_decay=5e-4)
    steps = epochs * (len(data[0]) // BATCH)
    drops = [int(steps * share) for share in DROPS]
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, drops, FACTOR)
    student.train()
    start = time.perf_counter()
    for _ in range(epochs):
        for images, labels, batch in batches(*data):
            output = student(images)
            # without it the classifier has no gradient, and no weight decay
            loss = weight * F.cross_entropy(output[0], labels) if weight else 0
            if criterion:
                with torch.no_grad():
                    taught = teacher(images)
                loss = loss + criterion_weight * criterion(output, taught, batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return time.perf_counter() - start


@torch.no_grad()
def accuracy(network, data):
    network.eval()
    hits = sum((network(i)[0].argmax(1) == l).sum().item() for i, l in zip(data[0].split(500), data[1].split(500)))
    return 100 * hits / len(data[1])


def summary(runs):
    """Mean and deviation of the accuracy, and the mean of the seconds."""
    accuracies = [run["accuracyPercent"] for run in runs]
    deviation = f" ± {statistics.stdev(accuracies):.2f}" if len(runs) > 1 else ""
    return f"{statistics.mean(accuracies):.2f}{deviation}", f"{statistics.mean(run['seconds'] for run in runs):.1f}"


def print_table(retort, runs):
    print("| method | Retort, % | PyTorch, % | Retort, s | PyTorch, s |\n| --- | --- | --- | --- | --- |")
    teacher = retort["teachers"]["teacher"]
    print(f"| teacher | {teacher['accuracyPercent']:.2f} | | {teacher['seconds']:.1f} | |")
    for student in retort["students"]:
        if student["method"] in runs:
            (ours, our_seconds), (theirs, seconds) = summary(student["runs"]), summary(runs[student["method"]])
            print(f"| {student['title']} | {ours} | {theirs} | {our_seconds} | {seconds} |")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--retort", required=True)
    parser.add_argument("--data", default="/usr/share/datasets/fashion-mnist")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("methods", nargs="*", default=list(STAGES))
    options = parser.parse_args()
    torch.set_num_threads(os.cpu_count())

    images, labels = load(options.data, "train")
    few = some_of_each_class(labels)
    part, test = (images[few], labels[few]), load(options.data, "t10k")
    teacher = ResNet(20, WIDTHS, 1, CLASSES)
    teacher.load_state_dict(torch.load(f"{options.retort}/teacher.pt", weights_only=True))
    teacher.eval()

    runs = {method: [] for method in options.methods}
    for seed in range(options.seeds):
        for method in options.methods:
            torch.manual_seed(seed)
            student = ResNet(8, WIDTHS, 1, CLASSES)
            seconds = sum(train(student, teacher, part, stage) for stage in STAGES[method])
            runs[method].append({"accuracyPercent": accuracy(student, test), "seconds": seconds})
            print(method, seed, runs[method][-1], file=sys.stderr, flush=True)
    with open(f"{options.retort}/results.json") as file:
        print_table(json.load(file), runs)


if __name__ == "__main__":
    main()
