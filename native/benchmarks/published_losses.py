"""The networks and the losses of the papers' published code, in its form, for comparisons."""

import torch
from torch import nn
from torch.nn import functional as F


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

    def __init__(self, depth, widths, channels, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, widths[0], 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        for i in range(3):
            blocks = [
                Block(widths[i] if j == 0 else widths[i + 1], widths[i + 1], 2 if i > 0 and j == 0 else 1)
                for j in range((depth - 2) // 6)
            ]
            setattr(self, f"layer{i + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(widths[3], classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x):
        stem = F.relu(self.bn1(self.conv1(x)))
        maps = [stem]
        for layer in (self.layer1, self.layer2, self.layer3):
            maps.append(layer(maps[-1]))
        embedding = F.relu(maps[-1]).mean((2, 3))
        return self.fc(embedding), maps, embedding


class Kd(nn.Module):
    def forward(self, student, teacher, _):
        temperature = 4
        p = F.log_softmax(student[0] / temperature, 1)
        q = F.softmax(teacher[0] / temperature, 1)
        return F.kl_div(p, q, reduction="sum") * temperature**2 / len(p)


class Fsp(nn.Module):
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
    @staticmethod
    def kernel(a, b):
        return (a.unsqueeze(2) * b.unsqueeze(1)).sum(-1).pow(2)

    @classmethod
    def of_maps(cls, s, t):
        if s.shape[2] > t.shape[2]:
            s = F.adaptive_avg_pool2d(s, t.shape[2])
        elif s.shape[2] < t.shape[2]:
            t = F.adaptive_avg_pool2d(t, s.shape[2])
        s, t = F.normalize(s.flatten(2), dim=2), F.normalize(t.flatten(2), dim=2)
        return cls.kernel(t, t).mean() + cls.kernel(s, s).mean() - 2 * cls.kernel(s, t).mean()

    def forward(self, student, teacher, _):
        return sum(self.of_maps(s, t) for s, t in list(zip(after_relu(student), after_relu(teacher)))[1:])


class Crd(nn.Module):
    def __init__(self, width, dimension, samples, teacher_width=None):
        super().__init__()
        self.student_embedding = nn.Linear(width, dimension)
        self.teacher_embedding = nn.Linear(teacher_width or width, dimension)
        limit = (3 / dimension) ** 0.5
        for side in ("student", "teacher"):
            memory = torch.empty(samples, dimension).uniform_(-limit, limit)
            self.register_buffer(f"{side}_memory", memory)
        self.z = {}

    def side(self, name, embedding, memory, contrast):
        samples = len(memory)
        noise = (contrast.shape[1] - 1) / samples
        rows = memory.index_select(0, contrast.flatten()).view(*contrast.shape, -1)
        p = torch.exp(torch.bmm(rows, embedding.unsqueeze(2)) / 0.07)
        if name not in self.z:
            self.z[name] = p.mean().item() * samples
        p = (p / self.z[name]).squeeze(2)
        positive = torch.log(p[:, 0] / (p[:, 0] + noise + 1e-7))
        negatives = torch.log(noise / (p[:, 1:] + noise + 1e-7))
        return -(positive.sum() + negatives.sum()) / len(p)

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
    def __init__(self, widths, teacher_widths=None):
        super().__init__()
        self.connectors = nn.ModuleList()
        for width, teacher_width in zip(widths, teacher_widths or widths):
            connector = nn.Module()
            connector.conv = nn.Conv2d(width, teacher_width, 1, bias=False)
            nn.init.normal_(connector.conv.weight, std=(2 / teacher_width) ** 0.5)
            connector.norm = nn.BatchNorm2d(teacher_width)
            self.connectors.append(connector)

    @staticmethod
    def of_maps(connector, s, t):
        s = connector.norm(connector.conv(s))
        negative = (t < 0).to(t.dtype)
        margin = (t * negative).sum((0, 2, 3), keepdim=True) / (negative.sum((0, 2, 3), keepdim=True) + 1e-6)
        target = torch.max(t, margin)
        counts = ((s > target) | (target > 0)).to(t.dtype)
        return ((s - target) ** 2 * counts).mean()

    def forward(self, student, teacher, _):
        return sum(self.of_maps(*layer) for layer in zip(self.connectors, student[1][1:], teacher[1][1:]))


def after_relu(output):
    stem, *stages = output[1]
    return [stem, *(F.relu(stage) for stage in stages)]
