"""The same losses as an expert writes them in PyTorch: products of matrices instead of broadcasts, and nothing of the size
of a product kept that a smaller matrix can be computed from. Values are those of published_losses.py."""

import math

import torch
from torch.nn import functional as F

from published_losses import Crd, Kd, Ofd, after_relu


def positions_last(maps, size):
    """[B, C, positions], pooled to size x size."""
    factor = maps.shape[2] // size
    return (F.avg_pool2d(maps, factor) if factor > 1 else maps).flatten(2)


def fsp(student, teacher):
    loss = 0
    for s_low, s_high, t_low, t_high in zip(student, student[1:], teacher, teacher[1:]):
        size = s_high.shape[2]
        with torch.no_grad():
            t_low, t_high = positions_last(t_low, size), positions_last(t_high, size)
            target = torch.bmm(t_low, t_high.transpose(1, 2)).div_(t_low.shape[2])
        s_low, s_high = positions_last(s_low, size), positions_last(s_high, size)
        # Subtracts and scales within the product.
        difference = torch.baddbmm(target, s_low, s_high.transpose(1, 2), beta=-1, alpha=1 / s_low.shape[2])
        loss = loss + difference.square().mean()
    return loss


def nst(student, teacher):
    """By matrices of channels or of positions, whichever is smaller."""
    loss = 0
    for s, t in zip(student, teacher):
        size = min(s.shape[2], t.shape[2])
        s = F.normalize(positions_last(s, size), dim=2)
        with torch.no_grad():
            t = F.normalize(positions_last(t, size), dim=2)
        batch, s_channels, positions = s.shape
        t_channels = t.shape[1]
        if positions < (s_channels + t_channels) / 2:
            with torch.no_grad():
                target = torch.bmm(t.transpose(1, 2), t).div_(t_channels)
            of_student = torch.baddbmm(target, s.transpose(1, 2), s, beta=-1, alpha=1 / s_channels)
            loss = loss + of_student.square().sum() / batch
            continue
        with torch.no_grad():
            of_teacher = torch.bmm(t, t.transpose(1, 2)).square_().mean()
        of_student = torch.bmm(s, s.transpose(1, 2)).square().mean()
        loss = loss + of_student + of_teacher - 2 * torch.bmm(s, t.transpose(1, 2)).square().mean()
    return loss


class BestFsp(torch.nn.Module):
    def forward(self, student, teacher, _):
        return fsp(after_relu(student), after_relu(teacher))


class BestNst(torch.nn.Module):
    def forward(self, student, teacher, _):
        return nst(after_relu(student)[1:], after_relu(teacher)[1:])


class CrdSide(torch.autograd.Function):
    """One product with the whole memory, of which scores are gathered instead of rows, logarithms as softplus, and the
    gradient with the loss, so that the memory may move before the backward pass."""

    @staticmethod
    def forward(ctx, embedding, memory, contrast, z):
        samples, (batch, candidates) = len(memory), contrast.shape
        noise = (candidates - 1) / samples
        scores = torch.mm(embedding, memory.t())
        x = scores.gather(1, contrast).div_(0.07).sub_(math.log(z) + math.log(noise + 1e-7))
        x[:, 0].neg_()
        loss = F.softplus(x).sum() + batch * (candidates - 1) * math.log1p(1e-7 / noise)
        slopes = x.sigmoid_()
        slopes[:, 0].neg_()
        # A row may be drawn several times.
        of_rows = scores.zero_().scatter_add_(1, contrast, slopes)
        ctx.save_for_backward(torch.mm(of_rows, memory).div_(0.07 * batch))
        return loss / batch

    @staticmethod
    def backward(ctx, gradient):
        return ctx.saved_tensors[0] * gradient, None, None, None


class BestCrd(Crd):
    def side(self, name, embedding, memory, contrast):
        if name not in self.z:
            with torch.no_grad():
                scores = torch.mm(embedding, memory.t()).gather(1, contrast)
                self.z[name] = (scores / 0.07).exp().mean().item() * len(memory)
        return CrdSide.apply(embedding, memory, contrast, self.z[name])


class BestOfd(Ofd):
    """Without masks: where the target is not positive, a difference below it is clamped at 0, which is the same."""

    @staticmethod
    def of_maps(connector, s, t):
        s = connector.norm(connector.conv(s))
        with torch.no_grad():
            count = (t < 0).sum((0, 2, 3), keepdim=True, dtype=t.dtype)
            target = torch.maximum(t, t.clamp(max=0).sum((0, 2, 3), keepdim=True) / (count + 1e-6))
        difference = s - target
        return torch.where(target > 0, difference, difference.clamp_min(0)).square().mean()


BEST = {"kd": Kd, "fsp": BestFsp, "nst": BestNst, "crd": BestCrd, "ofd": BestOfd}
