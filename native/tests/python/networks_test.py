"""RepDistiller's networks in Python's torch, against which Retort's are tested.

`networks_test.py write FOLDER` writes the small cases of native/tests/networks anew. `networks_test.py TEST_PROGRAM`,
which ctest runs, hands cases of all networks in full size to the GoogleTest program models_internals_test, one at a time.
Exits with 77, ctest's "skipped", where torch is not installed.

A case is a dict: `model`, a state dict, in half precision to keep the files small, then in float64 `images`, `logits`
and `taps`, a dict by name, in evaluation mode, and `training`, the logits in training mode.
"""

import pathlib
import sys
import tempfile

import google_test
import required_torch

import torch
from torch import nn
from torch.nn import functional


def conv(in_channels, out_channels, kernel, stride=1, groups=1):
    return nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=False)


def named(maps, pre_maps, stem, embedding):
    """The taps: the stem, maps, the same before ReLU, and the embedding."""
    taps = {"stem": stem, "embedding": embedding}
    for i, (map_, pre) in enumerate(zip(maps, pre_maps), start=1):
        taps[f"layer{i}"] = map_
        taps[f"layer{i}.pre"] = pre
    return taps


class ResNetBlock(nn.Module):
    def __init__(self, in_channels, out_channels, stride):
        super().__init__()
        self.conv1 = conv(in_channels, out_channels, 3, stride)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = conv(out_channels, out_channels, 3)
        self.bn2 = nn.BatchNorm2d(out_channels)
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(conv(in_channels, out_channels, 1, stride), nn.BatchNorm2d(out_channels))

    def forward(self, x):
        out = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)))))
        return out + (self.downsample(x) if hasattr(self, "downsample") else x)


class LayeredNetwork(nn.Module):
    """A stem and three layers of blocks that return their sum before ReLU."""

    def run(self, images, classifier):
        x = stem = functional.relu(self.bn1(self.conv1(images)))
        maps, pre_maps = [], []
        for layer in (self.layer1, self.layer2, self.layer3):
            for block in layer:
                pre = block(x)
                x = functional.relu(pre)
            maps.append(x)
            pre_maps.append(pre)
        embedding = x.mean((2, 3))
        return classifier(embedding), named(maps, pre_maps, stem, embedding)


class ResNet(LayeredNetwork):
    def __init__(self, depth, filters, classes):
        super().__init__()
        self.conv1 = conv(3, filters[0], 3)
        self.bn1 = nn.BatchNorm2d(filters[0])
        for i, stride in enumerate((1, 2, 2)):
            blocks = [ResNetBlock(filters[i], filters[i + 1], stride)]
            while len(blocks) < (depth - 2) // 6:
                blocks.append(ResNetBlock(filters[i + 1], filters[i + 1], 1))
            setattr(self, f"layer{i + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(filters[3], classes)

    def forward(self, images):
        return self.run(images, self.fc)


class WideBlock(nn.Module):
    def __init__(self, in_channels, out_channels, stride):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = conv(in_channels, out_channels, 3, stride)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.conv2 = conv(out_channels, out_channels, 3)
        if in_channels != out_channels:
            self.convShortcut = conv(in_channels, out_channels, 1, stride)

    def forward(self, x):
        active = functional.relu(self.bn1(x))
        out = self.conv2(functional.relu(self.bn2(self.conv1(active))))
        return out + (self.convShortcut(active) if hasattr(self, "convShortcut") else x)


class WideGroup(nn.Module):
    def __init__(self, in_channels, out_channels, stride, blocks):
        super().__init__()
        self.layer = nn.Sequential(
            WideBlock(in_channels, out_channels, stride),
            *(WideBlock(out_channels, out_channels, 1) for _ in range(blocks - 1)),
        )

    def forward(self, x):
        return self.layer(x)


class WideResNet(nn.Module):
    def __init__(self, depth, width, classes):
        super().__init__()
        blocks = (depth - 4) // 6
        self.conv1 = conv(3, 16, 3)
        self.block1 = WideGroup(16, 16 * width, 1, blocks)
        self.block2 = WideGroup(16 * width, 32 * width, 2, blocks)
        self.block3 = WideGroup(32 * width, 64 * width, 2, blocks)
        self.bn1 = nn.BatchNorm2d(64 * width)
        self.fc = nn.Linear(64 * width, classes)

    def forward(self, images):
        stem = self.conv1(images)
        maps = [self.block1(stem)]
        maps.append(self.block2(maps[0]))
        maps.append(self.block3(maps[1]))
        after = self.bn1(maps[2])
        embedding = functional.relu(after).mean((2, 3))
        logits = self.fc(embedding)
        if self.training:
            return logits, {}  # to pass a map through its BatchNorm again would move the statistics twice
        norms = (self.block2.layer[0].bn1, self.block3.layer[0].bn1, self.bn1)
        return logits, named(maps, [norm(map_) for norm, map_ in zip(norms, maps)], stem, embedding)


class Vgg(nn.Module):
    CONVOLUTIONS = {
        8: (1, 1, 1, 1, 1),
        11: (1, 1, 2, 2, 2),
        13: (2, 2, 2, 2, 2),
        16: (2, 2, 3, 3, 3),
        19: (2, 2, 4, 4, 4),
    }

    def __init__(self, depth, filters, classes):
        super().__init__()
        channels = 3
        for i, (out_channels, count) in enumerate(zip(filters, self.CONVOLUTIONS[depth])):
            parts = []
            for _ in range(count):
                parts += [nn.Conv2d(channels, out_channels, 3, padding=1), nn.BatchNorm2d(out_channels), nn.ReLU()]
                channels = out_channels
            setattr(self, f"block{i}", nn.Sequential(*parts[:-1]))
        self.classifier = nn.Linear(channels, classes)

    def forward(self, images):
        x = stem = functional.relu(self.block0(images))
        maps, pre_maps = [], []
        for i, block in enumerate((self.block1, self.block2, self.block3, self.block4)):
            if i < 3 or images.shape[2] == 64:
                x = functional.max_pool2d(x, 2)
            pre_maps.append(block(x))
            x = functional.relu(pre_maps[-1])
            maps.append(x)
        embedding = x.mean((2, 3))
        return self.classifier(embedding), named(maps, pre_maps, stem, embedding)


class InvertedResidual(nn.Module):
    def __init__(self, in_channels, out_channels, stride, expansion):
        super().__init__()
        self.adds = stride == 1 and in_channels == out_channels
        inner = in_channels * expansion
        self.conv = nn.Sequential(
            conv(in_channels, inner, 1),
            nn.BatchNorm2d(inner),
            nn.ReLU(),
            conv(inner, inner, 3, stride, inner),
            nn.BatchNorm2d(inner),
            nn.ReLU(),
            conv(inner, out_channels, 1),
            nn.BatchNorm2d(out_channels),
        )

    def forward(self, x):
        return x + self.conv(x) if self.adds else self.conv(x)


class MobileNetV2(nn.Module):
    # expansion, channels, blocks, stride of the first
    GROUPS = ((1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))

    def __init__(self, width, classes):
        super().__init__()
        channels = int(32 * width)
        self.conv1 = nn.Sequential(conv(3, channels, 3, 2), nn.BatchNorm2d(channels), nn.ReLU())
        self.blocks = nn.ModuleList()
        for expansion, count, blocks, stride in self.GROUPS:
            group = []
            for i in range(blocks):
                group.append(InvertedResidual(channels, int(count * width), stride if i == 0 else 1, expansion))
                channels = int(count * width)
            self.blocks.append(nn.Sequential(*group))
        last = max(1280, int(1280 * width))
        self.conv2 = nn.Sequential(conv(channels, last, 1), nn.BatchNorm2d(last), nn.ReLU())
        self.classifier = nn.Sequential(nn.Linear(last, classes))

    def forward(self, images):
        x = stem = self.conv1(images)
        maps = []
        for i, group in enumerate(self.blocks):
            x = group(x)
            if i in (1, 2, 4, 6):
                maps.append(x)
        embedding = self.conv2(x).mean((2, 3))
        return self.classifier(embedding), named(maps, maps, stem, embedding)


def shuffle(x, groups):
    """Channel i of group g becomes channel g of group i."""
    batch, channels, height, width = x.shape
    return x.view(batch, groups, channels // groups, height, width).transpose(1, 2).reshape(x.shape)


class Bottleneck(nn.Module):
    def __init__(self, in_channels, out_channels, halves, first_groups):
        super().__init__()
        self.halves, self.groups = halves, first_groups
        inner = out_channels // 4
        self.conv1 = conv(in_channels, inner, 1, groups=first_groups)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = conv(inner, inner, 3, 2 if halves else 1, inner)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = conv(inner, out_channels, 1, groups=3)
        self.bn3 = nn.BatchNorm2d(out_channels)

    def forward(self, x):
        out = shuffle(functional.relu(self.bn1(self.conv1(x))), self.groups)
        out = self.bn3(self.conv3(functional.relu(self.bn2(self.conv2(out)))))
        return torch.cat((out, functional.avg_pool2d(x, 3, 2, 1)), 1) if self.halves else out + x


class ShuffleNetV1(LayeredNetwork):
    def __init__(self, filters, blocks, classes):
        super().__init__()
        self.conv1 = conv(3, 24, 1)
        self.bn1 = nn.BatchNorm2d(24)
        channels = 24
        for i, (out_channels, count) in enumerate(zip(filters, blocks)):
            layer = [Bottleneck(channels, out_channels - channels, True, 1 if i == 0 else 3)]
            layer += [Bottleneck(out_channels, out_channels, False, 3) for _ in range(count - 1)]
            setattr(self, f"layer{i + 1}", nn.Sequential(*layer))
            channels = out_channels
        self.linear = nn.Linear(channels, classes)

    def forward(self, images):
        return self.run(images, self.linear)


class DownBlock(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        half = out_channels // 2
        self.conv1 = conv(in_channels, in_channels, 3, 2, in_channels)
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv2 = conv(in_channels, half, 1)
        self.bn2 = nn.BatchNorm2d(half)
        self.conv3 = conv(in_channels, half, 1)
        self.bn3 = nn.BatchNorm2d(half)
        self.conv4 = conv(half, half, 3, 2, half)
        self.bn4 = nn.BatchNorm2d(half)
        self.conv5 = conv(half, half, 1)
        self.bn5 = nn.BatchNorm2d(half)

    def forward(self, x):
        left = functional.relu(self.bn2(self.conv2(self.bn1(self.conv1(x)))))
        right = self.bn4(self.conv4(functional.relu(self.bn3(self.conv3(x)))))
        right = functional.relu(self.bn5(self.conv5(right)))
        return shuffle(torch.cat((left, right), 1), 2), None


class HalfBlock(nn.Module):
    def __init__(self, channels):
        super().__init__()
        half = channels // 2
        self.conv1 = conv(half, half, 1)
        self.bn1 = nn.BatchNorm2d(half)
        self.conv2 = conv(half, half, 3, groups=half)
        self.bn2 = nn.BatchNorm2d(half)
        self.conv3 = conv(half, half, 1)
        self.bn3 = nn.BatchNorm2d(half)

    def forward(self, x):
        half = x.shape[1] // 2
        left, right = x[:, :half], x[:, half:]
        right = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(right)))))
        right = self.bn3(self.conv3(right))
        return shuffle(torch.cat((left, functional.relu(right)), 1), 2), torch.cat((left, right), 1)


class ShuffleNetV2(nn.Module):
    def __init__(self, filters, blocks, classes):
        super().__init__()
        self.conv1 = conv(3, 24, 1)
        self.bn1 = nn.BatchNorm2d(24)
        channels = 24
        for i, count in enumerate(blocks):
            layer = [DownBlock(channels, filters[i]), *(HalfBlock(filters[i]) for _ in range(count))]
            setattr(self, f"layer{i + 1}", nn.Sequential(*layer))
            channels = filters[i]
        self.conv2 = conv(channels, filters[3], 1)
        self.bn2 = nn.BatchNorm2d(filters[3])
        self.linear = nn.Linear(filters[3], classes)

    def forward(self, images):
        x = stem = functional.relu(self.bn1(self.conv1(images)))
        maps, pre_maps = [], []
        for layer in (self.layer1, self.layer2, self.layer3):
            for block in layer:
                x, pre = block(x)
            maps.append(x)
            pre_maps.append(pre)
        embedding = functional.relu(self.bn2(self.conv2(x))).mean((2, 3))
        return self.linear(embedding), named(maps, pre_maps, stem, embedding)


CLASSES = 100
CIFAR = (16, 16, 32, 64)
CIFAR_X4 = (32, 64, 128, 256)
VGG = (64, 128, 256, 512, 512)

# Small ones, by the names of native/tests/networks: the network and its images' size.
SMALL = {
    "resnet": (lambda: ResNet(14, (4, 4, 8, 12), 5), (8, 12)),
    "wide_resnet": (lambda: WideResNet(10, 1, 5), (4, 6)),
    "vgg": (lambda: Vgg(11, (4, 6, 8, 10, 12), 5), (8, 12)),
    "vgg_64": (lambda: Vgg(8, (4, 4, 6, 8, 10), 5), (64, 16)),
    "mobilenet_v2": (lambda: MobileNetV2(0.0625, 3), (8, 12)),
    "shufflenet_v1": (lambda: ShuffleNetV1((36, 72, 144), (2, 3, 2), 5), (8, 12)),
    "shufflenet_v2": (lambda: ShuffleNetV2((8, 16, 24, 32), (1, 2, 1), 5), (8, 12)),
}

# In full size, by RepDistiller's names.
NAMED = {
    **{f"resnet{depth}": (lambda depth=depth: ResNet(depth, CIFAR, CLASSES)) for depth in (8, 14, 20, 32, 44, 56, 110)},
    **{f"resnet{depth}x4": (lambda depth=depth: ResNet(depth, CIFAR_X4, CLASSES)) for depth in (8, 32)},
    **{
        f"wrn_{depth}_{width}": (lambda depth=depth, width=width: WideResNet(depth, width, CLASSES))
        for depth in (16, 40)
        for width in (1, 2)
    },
    **{f"vgg{depth}": (lambda depth=depth: Vgg(depth, VGG, CLASSES)) for depth in (8, 11, 13, 16, 19)},
    "MobileNetV2": lambda: MobileNetV2(0.5, CLASSES),
    "ShuffleV1": lambda: ShuffleNetV1((240, 480, 960), (4, 8, 4), CLASSES),
    "ShuffleV2": lambda: ShuffleNetV2((116, 232, 464, 1024), (3, 7, 3), CLASSES),
}


def case_of(make, size):
    """A network with weights and statistics that show when two of them are mixed up."""
    torch.manual_seed(20)
    model = make()
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_(0, 0.5)
        model(torch.randn(8, 3, *size))  # moves the statistics
        model.half()
        state = {name: value.clone() for name, value in model.state_dict().items()}
        model.double()
        images = torch.randn(2, 3, *size, dtype=torch.float64)
        model.eval()
        logits, taps = model(images)
        model.train()
        training, _ = model(images)
        return {"model": state, "images": images, "logits": logits, "taps": taps, "training": training}


def test(program):
    for name, make in NAMED.items():
        with tempfile.TemporaryDirectory() as folder:
            torch.save(case_of(make, (32, 32)), pathlib.Path(folder, f"{name}.pt"))
            if not google_test.passes(program, "NetworkCaseTest.NamedNetworks*", "RETORT_NETWORK_CASES", folder):
                sys.exit(f"{name} differs")
            print(f"{name} agrees", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    if sys.argv[1] == "write":
        for case, (make, size) in SMALL.items():
            torch.save(case_of(make, size), pathlib.Path(sys.argv[2], f"{case}.pt"))
    else:
        test(sys.argv[1])
