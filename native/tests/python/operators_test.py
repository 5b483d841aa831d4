"""The operators in Python's torch: each golden case, in both precisions, and each keyword.

Run by ctest as `operators_test.py LIBRARY GOLDEN_DIR`, where the environment variable RETORT_GOLDEN_DIR takes the place
of GOLDEN_DIR. Exits with 77, ctest's "skipped", where the torch that the library is built for is not installed.
"""

import functools
import itertools
import os
import pathlib
import sys
import unittest

import required_torch

import torch
from torch.nn import functional

required_torch.require_version_of_library()

# float32 is held to the golden values with the precision that it has.
TOLERANCES = {torch.float64: 1e-9, torch.float32: 2e-4}


def for_each_case(prefix):
    """Calls a test with each golden case whose name begins so, and each dtype."""

    def decorate(test):
        @functools.wraps(test)
        def run(self):
            files = sorted(GOLDEN_DIR.glob(f"{prefix}_*.pt"))
            self.assertTrue(files, f"no golden case {prefix}_*")
            for file, dtype in itertools.product(files, TOLERANCES):
                with self.subTest(case=file.stem, dtype=dtype):
                    test(self, torch.load(file, weights_only=True), dtype)

        return run

    return decorate


def listed(golden, prefix, dtype):
    """The tensors prefix0, prefix1, ... of a case."""
    tensors = []
    while f"{prefix}{len(tensors)}" in golden:
        tensors.append(golden[f"{prefix}{len(tensors)}"].to(dtype))
    return tensors


def trainable(tensor, dtype):
    return tensor.to(dtype, copy=True).requires_grad_()


def embed(features, weight, bias):
    """CRD's embedding: a linear layer, then unit length."""
    return functional.normalize(functional.linear(features, weight, bias))


def connect(student, conv_weight, bn_weight, bn_bias):
    """OFD's connector in training mode: a convolution of 1 x 1, then BatchNorm."""
    connected = functional.conv2d(student, conv_weight)
    return functional.batch_norm(connected, None, None, bn_weight, bn_bias, training=True)


class OperatorsTest(unittest.TestCase):
    def assert_close(self, actual, expected, tolerance=None):
        self.assertEqual(actual.shape, expected.shape)
        largest = expected.abs().max()
        error = (actual.detach().double() - expected).abs().max() / (largest if largest > 0 else 1)
        self.assertLessEqual(float(error), tolerance or TOLERANCES[actual.dtype])

    def assert_maps(self, golden, dtype, loss):
        """One loss a pair or layer of maps, and the gradient of their weighted sum."""
        student = [trainable(map_, dtype) for map_ in listed(golden, "s", dtype)]
        losses = loss(student, listed(golden, "t", dtype))
        expected = listed(golden, "loss", torch.float64)
        self.assertEqual(len(losses), len(expected))
        for actual, value in zip(losses, expected):
            self.assert_close(actual, value)
        sum(weight * value for weight, value in zip(golden["weights"].to(dtype), losses)).backward()
        for map_, gradient in zip(student, listed(golden, "grad", torch.float64)):
            self.assert_close(map_.grad, gradient)

    @for_each_case("kd")
    def test_kd(self, golden, dtype):
        student = trainable(golden["s"], dtype)
        loss = torch.ops.retort.kd_loss(student, golden["t"].to(dtype), golden["temperature"].item())
        loss.backward()
        self.assert_close(loss, golden["loss"])
        self.assert_close(student.grad, golden["grad"])

    @for_each_case("standardised")
    def test_kd_of_standardised_logits(self, golden, dtype):
        student = trainable(golden["s"], dtype)
        loss = torch.ops.retort.kd_loss(
            student, golden["t"].to(dtype), golden["temperature"].item(), target="standardised_logits"
        )
        loss.backward()
        self.assert_close(loss, golden["loss"])
        self.assert_close(student.grad, golden["grad"])

    @for_each_case("dkd")
    def test_dkd(self, golden, dtype):
        student = trainable(golden["s"], dtype)
        numbers = {name: golden[name].item() for name in ("alpha", "beta", "temperature")}
        standardise = "standardise" in golden
        loss = torch.ops.retort.dkd_loss(
            student, golden["t"].to(dtype), golden["labels"], **numbers, standardise=standardise
        )
        loss.backward()
        self.assert_close(loss, golden["loss"])
        self.assert_close(student.grad, golden["grad"])

    @for_each_case("fsp")
    def test_fsp(self, golden, dtype):
        self.assert_maps(golden, dtype, torch.ops.retort.fsp_loss)

    def assert_nst(self, golden, dtype, kernel):
        # The cases have the gradient of F.normalize, which explodes at a dead channel.
        self.assert_maps(golden, dtype, lambda s, t: torch.ops.retort.nst_loss(s, t, kernel, dead_channel_norm=0.0))

    @for_each_case("nst_linear")
    def test_nst_linear(self, golden, dtype):
        self.assert_nst(golden, dtype, "linear")

    @for_each_case("nst_poly")
    def test_nst_polynomial(self, golden, dtype):
        self.assert_nst(golden, dtype, "polynomial")

    @for_each_case("nst_gaussian")
    def test_nst_gaussian(self, golden, dtype):
        self.assert_nst(golden, dtype, "gaussian")

    @for_each_case("crd")
    def test_crd(self, golden, dtype):
        temperature = golden["temperature"].item()
        student_memory, teacher_memory = (golden[f"{side}_memory"].to(dtype) for side in ("student", "teacher"))
        z_student = z_teacher = None
        for i in range(len(listed(golden, "loss", dtype))):
            features = trainable(golden[f"f_s{i}"], dtype)
            names = ("student_weight", "student_bias", "teacher_weight", "teacher_bias")
            values = {name: trainable(golden[name], dtype) for name in names}
            student = embed(features, values["student_weight"], values["student_bias"])
            teacher = embed(golden[f"f_t{i}"].to(dtype), values["teacher_weight"], values["teacher_bias"])
            contrast = golden[f"contrast{i}"]
            if i == 0:
                z_student = torch.ops.retort.crd_z(student, teacher_memory, contrast, temperature)
                z_teacher = torch.ops.retort.crd_z(teacher, student_memory, contrast, temperature)
            for z, name in ((z_student, f"z_student{i}"), (z_teacher, f"z_teacher{i}")):
                self.assertAlmostEqual(z / golden[name].item(), 1, delta=TOLERANCES[dtype])
            loss = torch.ops.retort.crd_loss(
                student, teacher, student_memory, teacher_memory, contrast, z_student, z_teacher, temperature
            )
            loss.backward()
            self.assert_close(loss, golden[f"loss{i}"])
            self.assert_close(features.grad, golden[f"grad_f_s{i}"])
            for name, value in values.items():
                self.assert_close(value.grad, golden[f"grad_{name}{i}"])
            student_memory, teacher_memory = (golden[f"{side}_memory{i}"].to(dtype) for side in ("student", "teacher"))

    @for_each_case("ofd_batch")
    def test_ofd_with_batch_margin(self, golden, dtype):
        for i in range(len(listed(golden, "loss", dtype))):
            values = {name: trainable(golden[name], dtype) for name in ("conv_weight", "bn_weight", "bn_bias")}
            student = trainable(golden[f"s{i}"], dtype)
            teacher = golden[f"t{i}"].to(dtype)
            margin = torch.ops.retort.ofd_batch_margin(teacher)
            loss = torch.ops.retort.ofd_loss(connect(student, **values), teacher, margin)
            loss.backward()
            self.assert_close(loss, golden[f"loss{i}"])
            self.assert_close(student.grad, golden[f"grad_s{i}"])
            for name, value in values.items():
                self.assert_close(value.grad, golden[f"grad_{name}{i}"])

    @for_each_case("ofd_paper")
    def test_ofd_with_expected_margin(self, golden, dtype):
        student = [trainable(map_, dtype) for map_ in listed(golden, "s", dtype)]
        teacher = listed(golden, "t", dtype)
        total = 0
        for i, (s, t) in enumerate(zip(student, teacher)):
            values = (golden[f"{name}{i}"].to(dtype) for name in ("conv_weight", "bn_weight", "bn_bias"))
            norm = (golden[f"teacher_bn_{name}{i}"].to(dtype) for name in ("weight", "bias"))
            margin = torch.ops.retort.ofd_expected_margin(*norm)
            self.assert_close(margin, golden[f"margin{i}"])
            loss = torch.ops.retort.ofd_loss(connect(s, *values), t, margin, reduction="sum")
            total = total + loss / 2 ** (len(student) - i - 1)
        total.backward()
        self.assert_close(total, golden["loss"])
        for s, gradient in zip(student, listed(golden, "grad_s", torch.float64)):
            self.assert_close(s.grad, gradient)


class KeywordsTest(unittest.TestCase):
    """What each keyword does, written in torch."""

    def setUp(self):
        torch.manual_seed(20)

    def assert_same(self, operator, formula, *tensors):
        """The same value and the same gradients to all tensors."""
        results = []
        for function in (operator, formula):
            leaves = [tensor.clone().requires_grad_() for tensor in tensors]
            value = function(*leaves)
            results.append([value.detach(), *torch.autograd.grad(value, leaves)])
        for actual, expected in zip(*results):
            torch.testing.assert_close(actual, expected, rtol=1e-9, atol=1e-12)

    def logits(self):
        return torch.randn(5, 7, dtype=torch.float64)

    def maps(self, *shapes):
        return [torch.randn(3, *shape, dtype=torch.float64) for shape in shapes]

    def test_kd_weight_and_target(self):
        student, teacher = self.logits(), self.logits().softmax(1)
        for weight in (torch.tensor([0.0, 1.5, 2.0, 0.0, 0.25]), torch.tensor([True, False, True, True, False])):
            self.assert_same(
                lambda s, t: torch.ops.retort.kd_loss(s, t, 4.0, weight=weight, target="probabilities"),
                lambda s, t: 16
                * (weight * functional.kl_div((s / 4).log_softmax(1), t, reduction="none").sum(1)).sum()
                / weight.sum(),
                student,
                teacher,
            )

    def test_cross_entropy(self):
        student, labels = self.logits(), torch.tensor([3, -1, 0, 6, 2])
        class_weights = torch.rand(7, dtype=torch.float64)
        self.assert_same(
            lambda s: torch.ops.retort.cross_entropy_loss(
                s, labels, class_weights=class_weights, label_smoothing=0.1
            ),
            lambda s: functional.cross_entropy(
                s, labels, class_weights, ignore_index=-1, label_smoothing=0.1
            ),
            student,
        )

    def test_fsp_pairs_pooling_and_reduction(self):
        student = self.maps((4, 6, 6), (3, 6, 6), (5, 3, 3))
        teacher = self.maps((4, 6, 6), (3, 6, 6), (5, 3, 3))
        pools = {"average": functional.adaptive_avg_pool2d, "max": functional.adaptive_max_pool2d}
        reductions = {
            "mean": lambda d: d.square().mean(),
            "paper": lambda d: d.square().sum() / 3,
            "torchdistill": lambda d: d.norm(dim=1).sum() / 3,
        }

        def matrix(first, second, pool):
            first, second = (pool(map_, 3).flatten(2) for map_ in (first, second))
            return first @ second.mT / 9

        for (pooling, pool), (reduction, reduce) in itertools.product(pools.items(), reductions.items()):
            with self.subTest(pooling=pooling, reduction=reduction):
                actual = torch.ops.retort.fsp_matrix(student[0], student[2], pooling=pooling)
                torch.testing.assert_close(actual, matrix(student[0], student[2], pool))
                self.assert_same(
                    lambda *s: torch.stack(
                        torch.ops.retort.fsp_loss(
                            s, teacher, pairs=[0, 2, 1, 2], pooling=pooling, reduction=reduction
                        )
                    ).sum(),
                    lambda *s: sum(
                        reduce(matrix(s[i], s[2], pool) - matrix(teacher[i], teacher[2], pool)) for i in (0, 1)
                    ),
                    *student,
                )

    def test_nst_kernels_and_teacher_term(self):
        (student,), (teacher,) = self.maps((4, 3, 5)), self.maps((6, 3, 5))
        kernels = {
            "polynomial": (dict(degree=3, offset=0.5), lambda x, y: (x @ y.mT + 0.5) ** 3),
            "gaussian": (dict(variance=0.7), lambda x, y: (-torch.cdist(x, y).square() / 1.4).exp()),
        }
        for (name, (keywords, kernel)), teacher_term in itertools.product(kernels.items(), (True, False)):

            def formula(s, t):
                s, t = (functional.normalize(map_.flatten(2), dim=2) for map_ in (s, t))
                value = kernel(s, s).mean() - 2 * kernel(s, t).mean()
                return value + kernel(t, t).mean() if teacher_term else value

            with self.subTest(kernel=name, teacher_term=teacher_term):
                self.assert_same(
                    lambda s, t: torch.ops.retort.nst_loss([s], [t], name, teacher_term=teacher_term, **keywords)[0],
                    formula,
                    student,
                    teacher,
                )

    def test_ofd_reduction_and_sizes(self):
        (student,), (teacher,) = self.maps((4, 3, 5)), self.maps((4, 6, 11))
        margin = -torch.rand(4, dtype=torch.float64)
        for reduction, divisor in {"mean": 180, "sum": 1, "batchmean": 3}.items():

            def formula(s, t):
                target = torch.maximum(functional.adaptive_avg_pool2d(t, (3, 5)), margin.view(1, -1, 1, 1))
                return ((s - target).square() * ((s > target) | (target > 0))).sum() / divisor

            with self.subTest(reduction=reduction):
                self.assert_same(
                    lambda s, t: torch.ops.retort.ofd_loss(s, t, margin, reduction=reduction),
                    formula,
                    student,
                    teacher,
                )

    def test_ofd_stable_margin(self):
        beta = torch.tensor([-1.0, 0.5, 3.0, 8.0], dtype=torch.float64)
        gamma = torch.full_like(beta, 2.0)
        normal = torch.distributions.Normal(0.0, 1.0)
        z = beta / gamma
        expected = beta - gamma * normal.log_prob(z).exp() / torch.special.ndtr(-z)
        torch.testing.assert_close(torch.ops.retort.ofd_expected_margin(gamma, beta, stable=True), expected)
        expected[3] = -6.0
        torch.testing.assert_close(torch.ops.retort.ofd_expected_margin(gamma, beta), expected)

    def test_crd_class_contrast(self):
        indices, classes = torch.tensor([4, 0, 9]), torch.arange(12) % 3
        for relaxed in (False, True):
            draws = []
            for _ in range(2):
                generator = torch.Generator().manual_seed(5)
                draws.append(
                    torch.ops.retort.crd_class_contrast(indices, classes, 8, relaxed=relaxed, generator=generator)
                )
            self.assertTrue(torch.equal(*draws))
            for index, (positive, *negatives) in zip(indices, draws[0]):
                self.assertEqual(classes[positive], classes[index])
                others = (classes != classes[index]).nonzero().flatten().tolist()
                self.assertEqual(sorted(int(row) for row in negatives), others)
                if not relaxed:
                    self.assertEqual(positive, index)

    def test_crd_contrast(self):
        generator = torch.Generator().manual_seed(5)
        contrast = torch.ops.retort.crd_contrast(torch.tensor([3, 0]), 4, 500, generator=generator)
        self.assertEqual(contrast[:, 0].tolist(), [3, 0])
        self.assertEqual(sorted(set(contrast[0, 1:].tolist())), [0, 1, 2])

    def test_rejects_bad_input_in_one_line(self):
        with self.assertRaisesRegex(Exception, r"^fsp_loss: student must have at least 2 maps \(got 1\)$"):
            torch.ops.retort.fsp_loss([torch.zeros(1, 1, 1, 1)], [torch.zeros(1, 1, 1, 1)])

    def test_rejects_unknown_words_in_one_line(self):
        with self.assertRaisesRegex(Exception, r"^kd_loss: target must be logits, probabilities or standardised_logits \(got labels\)$"):
            torch.ops.retort.kd_loss(self.logits(), self.logits(), 4.0, target="labels")


if __name__ == "__main__":
    torch.ops.load_library(sys.argv[1])
    GOLDEN_DIR = pathlib.Path(os.environ.get("RETORT_GOLDEN_DIR") or sys.argv[2])
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
