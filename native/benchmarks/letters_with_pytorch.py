"""The experiment of the recipe `letters` in PyTorch.

    python3 letters_with_pytorch.py FOLDER [--seeds N] [METHOD ...]

Needs PyTorch, and letter-recognition.csv in the folder. Trains the teacher, and the students alone and by KD, and prints mean
and standard deviation of their accuracies on the last 4,000 rows in percent. The labelled rows are those of Retort; initial
weights and the order of rows are drawn by PyTorch.
"""

import argparse
import csv
import statistics

import torch
from torch import nn
from torch.nn import functional as F

from fashion_mnist_with_pytorch import hashed

CLASSES, TRAIN_SIZE, PER_CLASS = 26, 16000, 50
LEARNING_RATE, DECAY = 0.1, 5e-4
TEACHER, TEACHER_EPOCHS, TEACHER_BATCH = [512, 512], 60, 128
STUDENT, EPOCHS, LABELED, OTHERS = [64], 40, 32, 96
CROSS_ENTROPY, KD, TEMPERATURE = 0.1, 0.9, 2


def load(folder):
    """Rows, standardised by the training part, and their classes."""
    with open(f"{folder}/letter-recognition.csv", newline="") as file:
        rows = list(csv.reader(file))[1:]
    labels = torch.tensor([ord(row[0]) - ord("A") for row in rows])
    numbers = torch.tensor([[float(number) for number in row[1:]] for row in rows])
    train = numbers[:TRAIN_SIZE]
    return (numbers - train.mean(0)) / train.std(0, unbiased=False), labels


def mlp(units):
    sizes = [16, *units, CLASSES]
    layers = [layer for sides in zip(sizes, sizes[1:]) for layer in (nn.Linear(*sides), nn.ReLU())]
    return nn.Sequential(*layers[:-1])


def optimizer(network, steps):
    sgd = torch.optim.SGD(network.parameters(), lr=LEARNING_RATE, momentum=0.9, weight_decay=DECAY)
    return sgd, torch.optim.lr_scheduler.CosineAnnealingLR(sgd, steps)


def labeled_rows(labels, seed):
    """The rows that `labels_per_class` of a recipe chooses: of each class those with the smallest hashes."""
    classes = [(labels == label).nonzero().flatten().tolist() for label in range(CLASSES)]
    chosen = [sorted(rows, key=lambda row: hashed((seed + 1 << 32) + row))[:PER_CLASS] for rows in classes]
    return torch.tensor(sorted(sum(chosen, [])))


def train(network, loss_of, rows, size, epochs):
    """Takes steps of `size` of the rows each."""
    steps = len(rows) // size
    sgd, schedule = optimizer(network, epochs * steps)
    for _ in range(epochs):
        for batch in rows[torch.randperm(len(rows))][: steps * size].split(size):
            loss = loss_of(network, batch)
            sgd.zero_grad()
            loss.backward()
            sgd.step()
            schedule.step()
    return network


def trained_teacher(numbers, labels):
    def loss(network, batch):
        return F.cross_entropy(network(numbers[batch]), labels[batch])

    torch.manual_seed(0)
    return train(mlp(TEACHER), loss, torch.arange(TRAIN_SIZE), TEACHER_BATCH, TEACHER_EPOCHS)


def trained_student(numbers, labels, seed, teacher):
    """A student; alone if the teacher is None."""
    labeled = labeled_rows(labels[:TRAIN_SIZE], seed)
    is_other = torch.ones(TRAIN_SIZE, dtype=torch.bool).index_fill(0, labeled, False)

    def loss(network, others):
        some = labeled[torch.randperm(len(labeled))[:LABELED]]
        if teacher is None:
            return F.cross_entropy(network(numbers[some]), labels[some])
        rows = numbers[torch.cat([some, others])]
        logits = network(rows)
        with torch.no_grad():
            taught = teacher(rows)
        soft = [logits / TEMPERATURE, taught / TEMPERATURE]
        kd = F.kl_div(soft[0].log_softmax(1), soft[1].softmax(1), reduction="batchmean") * TEMPERATURE**2
        return CROSS_ENTROPY * F.cross_entropy(logits[:LABELED], labels[some]) + KD * kd

    torch.manual_seed(seed)
    return train(mlp(STUDENT), loss, is_other.nonzero().flatten(), OTHERS, EPOCHS)


@torch.no_grad()
def accuracy(network, numbers, labels):
    return 100 * (network(numbers[TRAIN_SIZE:]).argmax(1) == labels[TRAIN_SIZE:]).double().mean().item()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("methods", nargs="*", default=["student", "kd"])
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = load(options.folder)
    teacher = trained_teacher(*data)
    print(f"teacher {accuracy(teacher, *data):.2f}", flush=True)
    for method in options.methods:
        taught_by = teacher if method == "kd" else None
        runs = [accuracy(trained_student(*data, seed, taught_by), *data) for seed in range(options.seeds)]
        print(f"{method} {statistics.mean(runs):.2f} ± {statistics.stdev(runs):.2f}", flush=True)


if __name__ == "__main__":
    main()
