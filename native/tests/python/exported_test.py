"""Programs of torch.export beside what eager PyTorch computes, against which Retort's are tested.

`exported_test.py write FOLDER` writes the small cases of native/tests/exported for the PyTorch that runs it, and
`exported_test.py write_programs FOLDER` those of native/tests/programs.
`exported_test.py TEST_PROGRAM`, which ctest runs, hands networks of RepDistiller, torchvision and timm to the GoogleTest
program models_internals_test, one at a time. Exits with 77, ctest's "skipped", where torch, torchvision or timm is not
installed.

A case is a program, NAME.pt2, and a dict, NAME.pt: `images`, and for a pass in training mode `logits`, `taps`, a dict by
module path, `gradients` of the parameters for the gradient `cotangent` of the logits, and `state`, the state dict
afterwards; then `evaluation`, the logits in evaluation mode. All in float64. Taps are what forward hooks see.
"""

import json
import os
import pathlib
import sys
import tempfile
import zipfile

import google_test
import required_torch

import torch
from torch import nn
from torch.nn import functional

import networks_test

BATCH = 3


class StochasticDepth(nn.Module):
    def forward(self, x):
        if not self.training:
            return x
        kept = torch.empty(x.shape[0], 1, 1, 1, dtype=x.dtype, device=x.device).bernoulli_(0.8)
        return x * kept.div_(0.8)


class Block(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.depth = StochasticDepth()

    def forward(self, x):
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        out = self.depth(out)
        out += x
        return self.relu(out)


class Residual(nn.Module):
    """Modules called twice, sums in place, tied parameters, buffers in and out of the state dict, dropout."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(4)
        self.layer1 = nn.Sequential(Block(4), Block(4))
        self.layer2 = nn.Sequential(nn.Conv2d(4, 8, 3, 2, 1, bias=False), nn.InstanceNorm2d(8, affine=True), Block(8))
        self.dropout = nn.Dropout(0.3)
        self.fc = nn.Linear(8, 8)
        self.tied = nn.Linear(8, 8)
        self.tied.weight = self.fc.weight
        self.register_buffer("scale", torch.tensor([2.0, 0.5, 1.0]).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    def forward(self, images):
        if self.training:
            self.seen.add_(images.shape[0])
        x = images.mul_(1.0) * self.scale
        x = functional.relu_(self.bn1(self.conv1(x)))
        x = self.layer2(self.layer1(x))
        x = self.dropout(x.mean((2, 3)))
        return self.tied(functional.relu(self.fc(x))) + torch.tensor([0.5] * 8, dtype=x.dtype)


class Heads(nn.Module):
    """Returns several tensors."""

    def forward(self, x):
        batch, tokens, width = x.shape
        return x.reshape(batch, tokens, 3, 2, width // 6).permute(2, 0, 3, 1, 4).unbind(0)


class Attention(nn.Module):
    """Sizes that are computed, views, attention with dropout."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, 4)
        self.position = nn.Parameter(torch.randn(1, 4, 8) * 0.1)
        self.norm = nn.LayerNorm(8)
        self.qkv = nn.Linear(8, 24)
        self.heads = Heads()
        self.proj = nn.Linear(8, 8)
        self.head = nn.Linear(8, 5)

    def forward(self, images):
        x = self.patches(images).flatten(2).transpose(1, 2) + self.position
        batch, tokens, width = x.shape
        q, k, v = self.heads(self.qkv(self.norm(x)))
        y = functional.scaled_dot_product_attention(q, k, v, dropout_p=0.2 if self.training else 0.0)
        x = x + self.proj(functional.gelu(y.transpose(1, 2).reshape(batch * tokens, width)).view(batch, tokens, width))
        return self.head(x.mean(1)), {"tokens": x, "query": q}


class Recurrent(nn.Module):
    """Rows as a sequence; statistics without gradient."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(24, 6, 2, batch_first=True, dropout=0.4)
        self.head = nn.Linear(6, 5)
        self.register_buffer("mean", torch.zeros(6))

    def forward(self, images):
        rows, _ = self.lstm(images.flatten(2).transpose(1, 2).reshape(images.shape[0], -1, 24))
        last = rows[:, -1]
        with torch.no_grad():
            if self.training:
                self.mean.mul_(0.9).add_(last.mean(0), alpha=0.1)
        return self.head(last - self.mean)


class Noisy(nn.Module):
    """What evaluation can't be told from: noise and another classifier in training mode."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.train_head = nn.Linear(4, 5)
        self.test_head = nn.Linear(4, 5)

    def forward(self, images):
        x = functional.silu(self.norm(self.conv(images))).mean((2, 3))
        if self.training:
            return self.train_head(x + torch.randn_like(x)) + 0 * self.test_head(x)
        return self.test_head(x + torch.tensor(0.25, dtype=x.dtype)) + 0 * self.train_head(x)


class Pointwise(nn.Module):
    """A normalisation of one position, and as many classes as Residual has."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 2)
        self.norm = nn.BatchNorm2d(6)
        self.fc = nn.Linear(6, 8)

    def forward(self, images):
        x = functional.relu(self.norm(self.conv(images)))
        return self.fc(functional.adaptive_avg_pool2d(x, 1).flatten(1))


class Evaluated(Pointwise):
    """Exported in evaluation mode."""


# The networks and their images' size.
SMALL = {
    "residual": (Residual, (3, 6, 6)),
    "attention": (Attention, (3, 8, 8)),
    "recurrent": (Recurrent, (3, 8, 8)),
    "noisy": (Noisy, (3, 6, 6)),
    "pointwise": (Pointwise, (3, 2, 2)),
    "pointwise_teacher": (Evaluated, (3, 6, 6)),
}


def exported(model, images):
    # The model keeps its state: tracing may move statistics.
    batch = torch.export.Dim("batch", min=1)
    return torch.export.export(model, (images.clone(),), dynamic_shapes=({0: batch},))


def without_traces(source, target):
    """Copies a program without example inputs and the exporter's source lines, compressed."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.namelist():
            data = old.read(entry)
            if "sample_inputs" in entry:
                continue
            if "/models/" in entry and entry.endswith(".json"):
                program = json.loads(data)
                strip(program)
                data = json.dumps(program, separators=(",", ":")).encode()
            new.writestr(zipfile.ZipInfo(entry, (2020, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)


def strip(node):
    if isinstance(node, dict):
        node.pop("stack_trace", None)
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        strip(child)


class AttentionTransfer(nn.Module):
    """That of docs/your-loss.md for two pairs of maps, with a layer that is trained."""

    def __init__(self):
        super().__init__()
        self.regressor = nn.Conv2d(4, 4, 1, dtype=torch.float64)
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def attention(self, features, size):
        return functional.normalize(functional.adaptive_avg_pool2d(features, size).abs().pow(2).mean(1).flatten(1))

    def forward(self, student_taps, teacher_taps):
        self.calls.add_(1)
        students = [self.regressor(student_taps[0]), student_taps[1]]
        losses = []
        for student, teacher in zip(students, teacher_taps):
            size = teacher.shape[-2:]
            losses.append((self.attention(student, size) - self.attention(teacher, size)).square().mean())
        return torch.stack(losses).sum()


def save(program, path):
    original = str(path) + ".original.pt2"
    torch.export.save(program, original)
    without_traces(original, path)
    os.remove(original)


def write_programs(folder):
    """A loss, and a network in float32."""
    loss = AttentionTransfer()
    with torch.no_grad():
        loss.regressor.weight.copy_(torch.eye(4).view(4, 4, 1, 1))
        loss.regressor.bias.zero_()
    maps = [(4, 6, 6), (3, 2, 3)], [(5, 3, 3), (3, 2, 3)]
    taps = tuple([torch.randn(BATCH, *shape, dtype=torch.float64) for shape in shapes] for shapes in maps)
    batch = torch.export.Dim("batch")
    program = torch.export.export(loss, taps, dynamic_shapes=([{0: batch}] * 2, [{0: batch}] * 2))
    save(program, folder / "attention_transfer.pt2")
    save(exported(Residual().train(), torch.randn(BATCH, 3, 64, 64)), folder / "residual.pt2")


def tensors_of(value):
    return [one for one in torch.utils._pytree.tree_leaves(value) if isinstance(one, torch.Tensor)]


def write_case(folder, name, model, size, whole=False):
    """Exports a model in float64 and writes what eager PyTorch computes."""
    for parameter in model.parameters():  # what begins with zeros would hide errors
        if not parameter.any():
            nn.init.normal_(parameter, std=0.1)
    model = model.double().train(not isinstance(model, Evaluated))
    images = torch.randn(BATCH, *size, dtype=torch.float64)
    path = pathlib.Path(folder, f"{name}.pt2")
    program = exported(model, images)
    # Modules that compute something, of which alone the program knows.
    called = {
        module.split("@")[0] for node in program.graph.nodes for module, _ in node.meta.get("nn_module_stack", {}).values()
    }
    original = str(path) + ".original.pt2"
    if isinstance(model, Noisy):
        from torch.export.pt2_archive._package import package_pt2

        evaluation = exported(model.eval(), images)
        model.train()
        package_pt2(original, exported_programs={"model": program, "evaluation": evaluation})
    else:
        torch.export.save(program, original)
    if whole:
        os.replace(original, path)
    else:
        without_traces(original, path)
        os.remove(original)

    taps = {}
    hooks = []
    for module_path, module in model.named_modules():
        if module_path and module_path in called:
            hooks.append(module.register_forward_hook(
                lambda module, inputs, output, module_path=module_path: taps.setdefault(module_path, []).append(
                    output.detach().clone() if isinstance(output, torch.Tensor) else None)))
    torch.manual_seed(1)
    outputs = tensors_of(model(images.clone()))
    for hook in hooks:
        hook.remove()
    by_call = {}
    for module_path, calls in taps.items():
        for i, value in enumerate(calls):
            # Some models fold the batch into patches.
            if value is not None and value.dim() > 0 and value.shape[0] == BATCH:
                by_call[f"{module_path}@{i}"] = value
    cotangent = torch.randn_like(outputs[0])
    parameters = dict(model.named_parameters())
    gradients = torch.autograd.grad((outputs[0] * cotangent).sum(), list(parameters.values()), allow_unused=True)
    state = {key: value.detach().clone() for key, value in model.state_dict().items()}
    model.eval()
    with torch.no_grad():
        evaluation = tensors_of(model(images.clone()))[0]
    torch.save({
        "images": images,
        "logits": outputs[0].detach(),
        "taps": by_call,
        "cotangent": cotangent,
        "gradients": {key: value for key, value in zip(parameters, gradients) if value is not None},
        "state": state,
        "evaluation": evaluation,
    }, pathlib.Path(folder, f"{name}.pt"))


def zoo():
    """By name, what makes a network and its images' size."""
    import timm
    import torchvision

    small = (3, 32, 32)
    models = {
        name: (networks_test.NAMED[name], small)
        for name in ("resnet8x4", "wrn_16_2", "vgg8", "MobileNetV2", "ShuffleV1", "ShuffleV2", "resnet110")
    }
    for name in ("resnet18", "mobilenet_v3_small", "efficientnet_b0", "convnext_tiny", "densenet121", "squeezenet1_1",
                 "regnet_y_400mf", "shufflenet_v2_x1_0", "swin_t"):
        models[name] = (lambda name=name: torchvision.models.get_model(name, num_classes=100), (3, 64, 64))
    models["googlenet"] = (
        lambda: torchvision.models.get_model("googlenet", num_classes=100, init_weights=False, aux_logits=False),
        (3, 64, 64))
    models["vit_b_16"] = (
        lambda: torchvision.models.get_model("vit_b_16", num_classes=100, image_size=64), (3, 64, 64))
    for name, options, size in (
            ("resnet26d", {}, 64), ("convnext_atto", {}, 64), ("vit_tiny_patch16_224", {"img_size": 64}, 64),
            ("efficientnet_lite0", {}, 64), ("mixer_s16_224", {}, 224), ("resnetv2_50", {}, 64),
            ("mobilevit_xxs", {}, 64), ("nf_regnet_b0", {}, 64)):
        models["timm_" + name] = (
            lambda name=name, options=options: timm.create_model(name, num_classes=100, **options), (3, size, size))
    return models


def test(program, names):
    try:
        models = zoo()
    except ImportError as missing:
        print(f"skipped: {missing.name} is not installed")
        sys.exit(77)
    for name in names or models:
        make, size = models[name]
        with tempfile.TemporaryDirectory() as folder:
            torch.manual_seed(0)
            write_case(folder, name, make(), size, whole=True)
            if not google_test.passes(
                    program, "ExportedCaseTest.AgreesWithPython", "RETORT_EXPORTED_CASES", folder):
                sys.exit(f"{name} differs")
            print(f"{name} agrees", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    if sys.argv[1] == "write":
        version = ".".join(torch.__version__.split(".")[:2])
        for case, (make, size) in SMALL.items():
            torch.manual_seed(0)
            write_case(sys.argv[2], f"{case}-{version}", make(), size)
    elif sys.argv[1] == "write_programs":
        torch.manual_seed(0)
        write_programs(pathlib.Path(sys.argv[2]))
    else:
        test(sys.argv[1], sys.argv[2:])
