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


def at_one_size(student, teacher):
    """Pairs of maps, pooled to the smaller one's size."""
    for s, t in zip(student, teacher):
        size = min(s.shape[2], t.shape[2])
        yield positions_last(s, size), positions_last(t, size)


def unit_channels(student, teacher):
    for s, t in at_one_size(student, teacher):
        with torch.no_grad():
            t = F.normalize(t, dim=2)
        yield F.normalize(s, dim=2), t


def mean_squared_distance(s, t, s_squares, t_squares):
    """Of the student's channels from the teacher's, for each sample, given the squares of their lengths."""
    return s_squares.mean(1) + t_squares.mean(1) - 2 * (s.mean(1) * t.mean(1)).sum(1)


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
    for s, t in unit_channels(student, teacher):
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


def gaussian_nst(student, teacher):
    """By autograd, from matrices of inner products."""
    loss = 0
    for s, t in unit_channels(student, teacher):
        with torch.no_grad():
            variance = mean_squared_distance(s, t, s.square().sum(2), t.square().sum(2))
            factor = (-0.5 / variance)[:, None, None]

        def kernel(a, b):
            squares = a.square().sum(2)[:, :, None] + b.square().sum(2)[:, None]
            return torch.exp(torch.baddbmm(squares, a, b.transpose(1, 2), alpha=-2).clamp_min(0) * factor).mean()

        with torch.no_grad():
            of_teacher = kernel(t, t)
        loss = loss + kernel(s, s) + of_teacher - 2 * kernel(s, t)
    return loss


def ofd(student, teacher):
    """Without masks: where the target is not positive, a difference below it is clamped at 0, which is the same."""
    loss = 0
    for s, t in zip(student, teacher):
        with torch.no_grad():
            count = (t < 0).sum((0, 2, 3), keepdim=True, dtype=t.dtype)
            target = torch.maximum(t, t.clamp(max=0).sum((0, 2, 3), keepdim=True) / (count + 1e-6))
        difference = s - target
        loss = loss + torch.where(target > 0, difference, difference.clamp_min(0)).square().mean()
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
    @staticmethod
    def of_maps(connector, s, t):
        return ofd([connector.norm(connector.conv(s))], [t])


BEST = {"kd": Kd, "fsp": BestFsp, "nst": BestNst, "crd": BestCrd, "ofd": BestOfd}


# The same with gradients computed beside the loss, over chunks of the batch whose intermediate results stay in the cache.


class WithGradient(torch.autograd.Function):
    """The sum of `of_chunk`, which returns a loss and its gradients by the first `learned` of its maps."""

    @staticmethod
    def forward(ctx, of_chunk, chunk, learned, *maps):
        loss, gradients = 0, [torch.empty_like(one) for one in maps[:learned]]
        for chunks in zip(*(one.split(chunk) for one in [*maps, *gradients])):
            loss = loss + of_chunk(chunks[: len(maps)], chunks[len(maps) :], len(maps[0]))
        ctx.save_for_backward(*gradients)
        return loss

    @staticmethod
    def backward(ctx, slope):
        gradients = [gradient * slope for gradient in ctx.saved_tensors]
        missing = len(ctx.needs_input_grad) - 3 - len(gradients)
        return None, None, None, *gradients, *[None] * missing


def fsp_chunk(maps, gradients, batch):
    """Of [chunk, channels, positions]: the student's two maps, then the teacher's."""
    low, high, t_low, t_high = maps
    positions = low.shape[2]
    difference = torch.bmm(t_low, t_high.transpose(1, 2))
    difference.baddbmm_(low, high.transpose(1, 2), beta=-1 / positions, alpha=1 / positions)
    count = batch * difference[0].numel()
    slope = 2 / (count * positions)
    torch.baddbmm(gradients[0], difference, high, beta=0, alpha=slope, out=gradients[0])
    torch.baddbmm(gradients[1], difference.transpose(1, 2), low, beta=0, alpha=slope, out=gradients[1])
    return difference.square_().sum() / count


def chunked_fsp(student, teacher, chunk):
    loss = 0
    for s_low, s_high, t_low, t_high in zip(student, student[1:], teacher, teacher[1:]):
        maps = [positions_last(one, s_high.shape[2]) for one in (s_low, s_high, t_low, t_high)]
        loss = loss + WithGradient.apply(fsp_chunk, chunk, 2, *maps)
    return loss


def polynomial_chunk(s, t, batch):
    """A loss of unit channels and its gradient."""
    s_channels, t_channels = s.shape[1], t.shape[1]
    if s.shape[2] < (s_channels + t_channels) / 2:
        difference = torch.bmm(t.transpose(1, 2), t)
        difference.baddbmm_(s.transpose(1, 2), s, beta=-1 / t_channels, alpha=1 / s_channels)
        # The matrix is symmetric, so that one product is enough.
        gradient = torch.bmm(s, difference).mul_(4 / (s_channels * batch))
        return difference.square_().sum() / batch, gradient
    within, across = torch.bmm(s, s.transpose(1, 2)), torch.bmm(s, t.transpose(1, 2))
    gradient = torch.bmm(within, s).mul_(4 / (s_channels**2 * batch))
    gradient.baddbmm_(across, t, alpha=-4 / (s_channels * t_channels * batch))
    loss = within.square_().mean((1, 2)) + torch.bmm(t, t.transpose(1, 2)).square_().mean((1, 2))
    return (loss - 2 * across.square_().mean((1, 2))).sum() / batch, gradient


def gaussian_chunk(s, t, batch):
    """With the mean squared distance of a sample's vectors as variance, which is no function of the student."""
    s_squares, t_squares = s.square().sum(2), t.square().sum(2)
    variance = mean_squared_distance(s, t, s_squares, t_squares)
    factor = (-0.5 / variance)[:, None, None]

    def kernel(a, b, a_squares, b_squares):
        distances = torch.baddbmm(a_squares[:, :, None] + b_squares[:, None], a, b.transpose(1, 2), alpha=-2)
        return distances.clamp_min_(0).mul_(factor).exp_()

    within, across = kernel(s, s, s_squares, s_squares), kernel(s, t, s_squares, t_squares)
    s_channels, t_channels = s.shape[1], t.shape[1]
    loss = within.mean((1, 2)) + kernel(t, t, t_squares, t_squares).mean((1, 2)) - 2 * across.mean((1, 2))
    # What a vector's own length adds lies along it, and goes away when the gradient is projected.
    gradient = torch.bmm(within, s).mul_(2 / s_channels**2).baddbmm_(across, t, alpha=-2 / (s_channels * t_channels))
    return loss.sum() / batch, gradient.div_(variance[:, None, None] * batch)


def nst_chunk(of_units):
    def of_maps(maps, gradients, batch):
        norms = torch.linalg.vector_norm(maps[0], dim=2, keepdim=True).clamp_min_(1e-12)
        unit = maps[0] / norms
        loss, gradient = of_units(unit, F.normalize(maps[1], dim=2), batch)
        radial = (gradient * unit).sum(2, keepdim=True)
        torch.div(gradient.addcmul_(unit, radial, value=-1), norms, out=gradients[0])
        return loss

    return of_maps


def chunked_nst(student, teacher, kernel, chunk):
    of_maps = nst_chunk({"polynomial": polynomial_chunk, "gaussian": gaussian_chunk}[kernel])
    return sum(WithGradient.apply(of_maps, chunk, 1, *pair) for pair in at_one_size(student, teacher))


def crd(student, teacher, student_memory, teacher_memory, contrast, z):
    of_student = CrdSide.apply(student, teacher_memory, contrast, z)
    return of_student + CrdSide.apply(teacher, student_memory, contrast, z)
