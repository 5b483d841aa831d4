"""Steps of training between two exported networks of torchvision beside the same steps in plain PyTorch.

`exported_step_test.py TEST_PROGRAM`, which ctest runs, lets resnet18 teach mobilenet_v3_small, dropout included, with
cross-entropy, KD, NST, OFD and CRD, in float64. It writes both networks, the batches, the state in which the steps
begin, and losses and state after each step. The GoogleTest program train_test compares them with Retort's. The losses
have the form of the published code, the networks are eager, and the taps are forward hooks. Exits with 77, ctest's
"skipped", where torch or torchvision is not installed.
"""

import pathlib
import sys
import tempfile

import google_test
import required_torch

import torch
from torch import nn
from torch.nn import functional

try:
    from torchvision.models import mobilenet_v3_small, resnet18
except ImportError:
    print("skipped: Python's torchvision is not installed")
    sys.exit(77)

sys.path.append(str(pathlib.Path(__file__).parents[2] / "benchmarks"))
from published_losses import Crd, Kd, Nst, Ofd

BATCH, SIZE, CLASSES, STEPS = 4, 64, 20, 2
SAMPLES, NEGATIVES, DIMENSION = 12, 5, 8
SEED = 1
SGD = {"learning_rate": 0.05, "momentum": 0.9, "weight_decay": 5e-3}
WEIGHTS = {"cross_entropy": 0.5, "kd": 0.9, "nst": 5.0, "ofd": 0.5, "crd": 0.8}
# Of the student and the teacher, in the order of the losses. NST's first pair has two sizes.
TAPS = {
    "kd": [],
    "nst": [("features.3", "layer1"), ("features.3", "layer2"), ("features.8", "layer3"), ("features.11", "layer4")],
    "ofd": [("features.1.block.0.2:in", "layer1.1.relu:in"), ("features.3.block.1.2:in", "layer2.1.relu:in")],
    "crd": [("avgpool", "avgpool")],
}


class Tapped:
    """A network whose taps, by the paths that Retort takes, are what hooks saw in the last call."""

    def __init__(self, network, taps):
        self.network = network
        self.taps = {}
        for tap in taps:
            module = network.get_submodule(tap.removesuffix(":in"))
            # Copies, since activations work in place.
            if tap.endswith(":in"):
                module.register_forward_pre_hook(
                    lambda module, inputs, tap=tap: self.taps.__setitem__(tap, inputs[0].clone()))
            else:
                module.register_forward_hook(
                    lambda module, inputs, output, tap=tap: self.taps.__setitem__(tap, output.clone()))

    def __call__(self, images):
        return self.network(images.clone())

    def widths(self, images, taps):
        with torch.no_grad():
            self(images)
        return [self.taps[tap].shape[1] for tap in taps]


def network_of(make):
    """With statistics that are not those of a new network, and no zeros, of whose changes only rounding is left."""
    network = make(num_classes=CLASSES).double().train()
    with torch.no_grad():
        for parameter in network.parameters():
            if not parameter.any():
                nn.init.normal_(parameter, std=0.1)
        for _ in range(3):
            network(torch.randn(BATCH, 3, SIZE, SIZE, dtype=torch.float64))
    return network


def save(network, path):
    images = torch.randn(BATCH, 3, SIZE, SIZE, dtype=torch.float64)
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    program = torch.export.export(network, (images,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    network.load_state_dict(state)  # tracing may move statistics
    torch.export.save(program, path)


class Step:
    """A training loop as the published code has it."""

    def __init__(self, student, teacher, images):
        self.student, self.teacher = (
            Tapped(network, dict.fromkeys(pair[side] for pairs in TAPS.values() for pair in pairs))
            for side, network in enumerate((student.train(), teacher.eval())))
        student.eval()  # nothing moves while the widths are found
        student_widths, teacher_widths = (
            tapped.widths(images, [pair[side] for pair in TAPS["ofd"] + TAPS["crd"]])
            for side, tapped in enumerate((self.student, self.teacher)))
        student.train()
        self.kd = Kd()
        self.ofd = Ofd(student_widths[:-1], teacher_widths[:-1]).double()
        self.crd = Crd(student_widths[-1], DIMENSION, SAMPLES, teacher_widths[-1]).double()
        self.named = {f"student.{name}": parameter for name, parameter in student.named_parameters()}
        for loss, criterion in (("ofd", self.ofd), ("crd", self.crd)):
            self.named |= {f"{self.term(loss)}.{name}": value for name, value in criterion.named_parameters()}
        self.optimizer = torch.optim.SGD(
            self.named.values(), lr=SGD["learning_rate"], momentum=SGD["momentum"], weight_decay=SGD["weight_decay"])

    @staticmethod
    def term(loss):
        return f"terms.{list(TAPS).index(loss)}"

    def pairs(self, loss):
        return [(self.student.taps[student], self.teacher.taps[teacher]) for student, teacher in TAPS[loss]]

    def run(self, batch):
        logits = self.student(batch["images"])
        with torch.no_grad():
            taught = self.teacher(batch["images"])
        student, teacher = (embedding.flatten(1) for embedding in self.pairs("crd")[0])
        losses = {
            "cross_entropy": functional.cross_entropy(logits, batch["labels"]),
            "kd": self.kd([logits], [taught], batch),
            "nst": sum(Nst.of_maps(*maps) for maps in self.pairs("nst")),
            "ofd": sum(Ofd.of_maps(*layer) for layer in zip(self.ofd.connectors, *zip(*self.pairs("ofd")))),
            "crd": self.crd((None, None, student), (None, None, teacher), batch),
        }
        self.optimizer.zero_grad()
        sum(WEIGHTS[loss] * value for loss, value in losses.items()).backward()
        self.optimizer.step()
        return {loss: value.item() for loss, value in losses.items()}

    def state(self):
        """By the names of TrainingStep::state."""
        state = {f"student.{name}": value for name, value in self.student.network.state_dict().items()}
        state |= {f"{self.term('ofd')}.{name}": value for name, value in self.ofd.state_dict().items()}
        for name, value in self.crd.state_dict().items():
            state[f"{self.term('crd')}.{name.replace('_memory', '_memory.embeddings')}"] = value
        for side in ("student", "teacher"):
            state[f"{self.term('crd')}.z_{side}"] = torch.tensor(self.crd.z.get(side, 0.0), dtype=torch.float64)
        for name, parameter in self.named.items():
            momentum = self.optimizer.state[parameter].get("momentum_buffer", torch.zeros_like(parameter))
            state[f"momentum.{name}"] = momentum
        return {name: value.detach().clone() for name, value in state.items()}


def batch_of(seed):
    torch.manual_seed(seed)
    indices = torch.randperm(SAMPLES)[:BATCH]
    return {
        "images": torch.randn(BATCH, 3, SIZE, SIZE, dtype=torch.float64),
        "labels": torch.randint(CLASSES, (BATCH,)),
        "indices": indices,
        "contrast": torch.cat([indices[:, None], torch.randint(SAMPLES, (BATCH, NEGATIVES))], 1),
    }


def write(folder):
    torch.manual_seed(0)
    student, teacher = network_of(mobilenet_v3_small), network_of(resnet18)
    save(student, folder / "student.pt2")
    save(teacher, folder / "teacher.pt2")
    batches = [batch_of(10 + i) for i in range(STEPS)]
    step = Step(student, teacher, batches[0]["images"])
    initial = step.state()
    torch.manual_seed(SEED)
    steps = [{**batch, "losses": step.run(batch), "state": step.state()} for batch in batches]
    torch.save({
        "seed": SEED,
        "samples": SAMPLES,
        "dimension": DIMENSION,
        "weights": WEIGHTS,
        "sgd": SGD,
        "student_taps": {loss: [student for student, _ in pairs] for loss, pairs in TAPS.items()},
        "teacher_taps": {loss: [teacher for _, teacher in pairs] for loss, pairs in TAPS.items()},
        "initial": initial,
        "steps": steps,
    }, folder / "step.pt")


if __name__ == "__main__":
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        write(pathlib.Path(temporary))
        if not google_test.passes(sys.argv[1], "ExportedStepTest.AgreesWithPython", "RETORT_EXPORTED_STEP", temporary):
            sys.exit("the steps differ")
        print("the steps agree")
