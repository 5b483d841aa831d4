"""torchvision's ResNets and MobileNetV2, against which Retort's for ImageNet are tested.

`torchvision_networks_test.py write FOLDER` writes the cases of native/tests/networks whose names begin with "imagenet_"
anew. `torchvision_networks_test.py TEST_PROGRAM`, which ctest runs, hands the networks in full size to the GoogleTest
program models_internals_test, one at a time, and has every element of every gradient compared. Exits with 77, ctest's
"skipped", where torch or torchvision is not installed.

Small networks, of few channels, have the cases of networks_test.py. Those in full size are too large for that: their
weights and images follow a formula that both sides know (`fill` and `wave`), and a case is a dict of
- `shapes`: those of the state dict, in its order;
- `training`: the logits in training mode, without dropout, and `gradients`: the norm of each parameter's gradient of
  (training * wave).sum() and its product with a wave;
- `logits` and `taps`: the logits and, of each tap, its norm and its product with a wave, in evaluation mode after that,
  where BatchNorm's statistics are those of the same images.
A case that is handed over has the images, taps and gradients as they are, and beside it lies the state dict, as a file
of torchvision's users.
"""

import pathlib
import sys
import tempfile

import google_test
import networks_test
import required_torch

import torch
from torch import nn

try:
    import torchvision
    from torchvision.models import resnet
except ImportError:
    print("skipped: Python's torchvision is not installed")
    sys.exit(77)

CLASSES = 10
# The smallest that leaves more than one pixel of a map.
SIZE = (3, 3, 33, 33)


class NarrowResNet(resnet.ResNet):
    """torchvision's, but for the channels of the stem and the layers."""

    def __init__(self, block, blocks, filters, classes):
        self.filters = filters
        super().__init__(block, blocks, classes)
        self.conv1 = nn.Conv2d(3, filters[0], 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(filters[0])
        self.fc = nn.Linear(filters[4] * block.expansion, classes)

    def _make_layer(self, block, planes, *arguments, **options):
        layer = {64: 1, 128: 2, 256: 3, 512: 4}[planes]
        if layer == 1:
            self.inplanes = self.filters[0]
        return super()._make_layer(block, self.filters[layer], *arguments, **options)


class Tapped(nn.Module):
    """Returns the taps, too, as networks_test.py's networks do, and has the state dict of the network itself."""

    def __init__(self, network):
        super().__init__()
        self.network = network
        self.seen = {}
        if isinstance(network, resnet.ResNet):
            self.watch("stem", network.maxpool)
            for i in range(1, 5):
                layer = getattr(network, f"layer{i}")
                self.watch(f"layer{i}", layer)
                # A block's ReLU is called for the sum last.
                layer[-1].relu.register_forward_pre_hook(lambda _, inputs, i=i: self.keep(f"layer{i}.pre", inputs[0]))
            self.watch("embedding", network.avgpool)
        else:
            self.watch("stem", network.features[0])
            for i, feature in enumerate((3, 6, 13, 17), start=1):
                self.watch(f"layer{i}", network.features[feature])
                self.watch(f"layer{i}.pre", network.features[feature])
            network.features.register_forward_hook(lambda _, __, output: self.keep("embedding", output.mean((2, 3))))

    def watch(self, tap, module):
        module.register_forward_hook(lambda _, __, output: self.keep(tap, output))

    def keep(self, tap, value):
        self.seen[tap] = (value.flatten(1) if tap == "embedding" else value).detach().clone()

    def state_dict(self):
        return self.network.state_dict()

    def forward(self, images):
        logits = self.network(images)
        return logits, dict(self.seen)


# Small ones: the network and its images' size.
SMALL = {
    "imagenet_resnet18": (
        lambda: Tapped(NarrowResNet(resnet.BasicBlock, [2, 2, 2, 2], (4, 6, 8, 10, 12), 5)),
        (34, 40),
    ),
    "imagenet_resnet50": (
        lambda: Tapped(NarrowResNet(resnet.Bottleneck, [3, 4, 6, 3], (4, 2, 3, 4, 5), 5)),
        (34, 40),
    ),
    "imagenet_mobilenet_v2": (
        lambda: Tapped(torchvision.models.MobileNetV2(num_classes=3, width_mult=0.0625, dropout=0.0)),
        (34, 40),
    ),
}

FULL = ("resnet18", "resnet34", "resnet50", "mobilenet_v2")


def wave(count, number=0):
    """Numbers in [-1, 1] without a pattern that convolutions would see, exactly the same on every machine."""
    k = torch.arange(count)
    return ((k * k % 9973 * (number + 3) + 31 * k + 17 * number) % 9973).double() / 4986 - 1


def fill(network):
    for number, (name, value) in enumerate(network.state_dict().items()):
        if value.dim() == 0:
            continue
        values = wave(value.numel(), number).view_as(value)
        if value.dim() == 4:
            values *= (2 / (value.shape[0] * value.shape[2] * value.shape[3])) ** 0.5
        elif value.dim() == 2:
            values /= 10
        elif name.endswith(("weight", "running_var")):
            values = 1 + values / 2
        value.copy_(values)


def projected(value):
    return [value.norm().item(), (value.flatten() @ wave(value.numel())).item()]


def in_training(network):
    """Dropout draws as it likes, and statistics become those of the batch."""
    network.train()
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.eval()
        elif isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0


def run(tapped, images, of_value):
    """What a case has beside the state."""
    network = tapped.network
    in_training(network)
    training, _ = tapped(images)
    (training * wave(training.numel()).view_as(training)).sum().backward()
    network.eval()
    logits, taps = tapped(images)
    return {
        "training": training.detach(),
        "gradients": {name: of_value(parameter.grad) for name, parameter in network.named_parameters()},
        "logits": logits.detach(),
        "taps": {name: of_value(value) for name, value in taps.items()},
    }


def full_case(name):
    network = torchvision.models.get_model(name, num_classes=CLASSES).double()
    with torch.no_grad():
        fill(network)
    images = wave(torch.Size(SIZE).numel(), 1).view(SIZE)
    shapes = {key: list(value.shape) for key, value in network.state_dict().items()}
    return {"shapes": shapes, **run(Tapped(network), images, projected)}


def hand(name, folder):
    torch.manual_seed(22)
    network = torchvision.models.get_model(name, num_classes=CLASSES)
    torch.save(network.state_dict(), pathlib.Path(folder, f"{name}.pth"))
    images = torch.randn(3, 3, 64, 64, dtype=torch.float64)
    case = {"images": images, **run(Tapped(network.double()), images, torch.Tensor.clone)}
    torch.save(case, pathlib.Path(folder, f"{name}.pt"))


def test(program):
    for name in FULL:
        with tempfile.TemporaryDirectory() as folder:
            hand(name, folder)
            if not google_test.passes(program, "ImageNetNetworksTest.Handed*", "RETORT_TORCHVISION_CASES", folder):
                sys.exit(f"{name} differs")
            print(f"{name} agrees", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    if sys.argv[1] == "write":
        for case, (make, size) in SMALL.items():
            torch.save(networks_test.case_of(make, size), pathlib.Path(sys.argv[2], f"{case}.pt"))
        for case in FULL:
            torch.save(full_case(case), pathlib.Path(sys.argv[2], f"imagenet_full_{case}.pt"))
    else:
        test(sys.argv[1])
