"""The operators under what PyTorch does to its own: torch.func, torch.compile, torch.export, dispatch modes, autocast.

Run by ctest as `transformations_test.py LIBRARY`. Exits with 77, ctest's "skipped", where the torch that the library is
built for is not installed.
"""

import sys
import unittest

import required_torch

import torch
from torch import library
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

required_torch.require_version_of_library()

ops = torch.ops.retort
BATCH, CHANNELS, SIZE = 3, 4, 6


def rows(maps):
    return functional.normalize(maps.flatten(1)[:, :5])


class Losses:
    """Each loss as a function of the student's maps [B, C, H, W]."""

    def __init__(self):
        torch.manual_seed(0)
        self.student = torch.randn(BATCH, CHANNELS, SIZE, SIZE, dtype=torch.float64)
        teacher = torch.randn_like(self.student)
        half = teacher[:, :, :3, :3]
        memory = functional.normalize(torch.randn(10, 5, dtype=torch.float64))
        contrast = ops.crd_contrast(torch.arange(BATCH), 10, 4)
        weight = torch.rand(BATCH, dtype=torch.float64)
        self.functions = {
            "kd_loss": lambda x: ops.kd_loss(x.flatten(1), teacher.flatten(1), 4.0),
            "kd_loss weighted": lambda x: ops.kd_loss(x.flatten(1), teacher.flatten(1), 4.0, weight=weight),
            "kd_loss standardised": lambda x: ops.kd_loss(
                x.flatten(1), teacher.flatten(1), 4.0, target="standardised_logits"
            ),
            "cross_entropy_loss": lambda x: ops.cross_entropy_loss(
                x.flatten(1), torch.tensor([1, -1, 3]), weight=weight, label_smoothing=0.1
            ),
            "dkd_loss": lambda x: ops.dkd_loss(
                x.flatten(1), teacher.flatten(1), torch.tensor([1, -1, 3]), weight=weight, standardise=True
            ),
            "fsp_loss": lambda x: ops.fsp_loss([x, x[:, :, :3, :3]], [teacher, half])[0],
            "nst_loss linear": lambda x: ops.nst_loss([x], [teacher], "linear")[0],
            "nst_loss polynomial": lambda x: ops.nst_loss([x], [teacher], "polynomial")[0],
            "nst_loss gaussian": lambda x: ops.nst_loss([x], [teacher], "gaussian")[0],
            "crd_loss": lambda x: ops.crd_loss(
                rows(x), rows(teacher), memory, memory, contrast, 10.0, 10.0, 0.07
            ),
            "ofd_loss": lambda x: ops.ofd_loss(x, teacher, ops.ofd_batch_margin(teacher)),
            "ofd_loss smaller": lambda x: ops.ofd_loss(x[:, :, :3, :3], teacher, ops.ofd_batch_margin(teacher), reduction="batchmean"),
        }

    def gradient(self, function):
        student = self.student.clone().requires_grad_()
        function(student).backward()
        return student.grad


class TransformationsTest(unittest.TestCase):
    def setUp(self):
        self.losses = Losses()
        self.student = self.losses.student

    def for_each_loss(self):
        for name, function in self.losses.functions.items():
            with self.subTest(loss=name):
                yield function, self.losses.gradient(function)

    def assert_equal(self, actual, expected):
        torch.testing.assert_close(actual, expected, rtol=1e-12, atol=1e-12)

    def test_func_grad(self):
        for function, gradient in self.for_each_loss():
            self.assert_equal(torch.func.grad(function)(self.student), gradient)

    def test_vjp(self):
        for function, gradient in self.for_each_loss():
            _, pull = torch.func.vjp(function, self.student)
            self.assert_equal(pull(torch.tensor(2.0, dtype=torch.float64))[0], 2 * gradient)

    def test_jvp(self):
        tangent = torch.randn_like(self.student)
        for function, gradient in self.for_each_loss():
            value, change = torch.func.jvp(function, (self.student,), (tangent,))
            self.assert_equal(value, function(self.student))
            self.assert_equal(change, (gradient * tangent).sum())

    def test_forward_mode(self):
        tangent = torch.randn_like(self.student)
        for function, gradient in self.for_each_loss():
            with torch.autograd.forward_ad.dual_level():
                dual = torch.autograd.forward_ad.make_dual(self.student, tangent)
                change = torch.autograd.forward_ad.unpack_dual(function(dual)).tangent
            self.assert_equal(change, (gradient * tangent).sum())

    def test_vmap(self):
        several = torch.stack([self.student, 2 * self.student], dim=1)
        for function, _ in self.for_each_loss():
            expected = torch.stack([function(several[:, 0]), function(several[:, 1])])
            self.assert_equal(torch.vmap(function, in_dims=1)(several), expected)

    def test_vmap_of_grad(self):
        several = torch.stack([self.student, self.student])
        for function, gradient in self.for_each_loss():
            self.assert_equal(torch.vmap(torch.func.grad(function))(several), torch.stack([gradient, gradient]))

    def test_second_derivatives_are_refused(self):
        tangent = torch.randn_like(self.student)
        grad, jvp = torch.func.grad, torch.func.jvp
        for function, _ in self.for_each_loss():
            for twice in (
                lambda x: torch.func.hessian(function)(x),
                lambda x: grad(lambda y: grad(function)(y).sum())(x),
                lambda x: jvp(grad(function), (x,), (tangent,)),
                lambda x: grad(lambda y: jvp(function, (y,), (tangent,))[1])(x),
                lambda x: jvp(lambda y: jvp(function, (y,), (tangent,))[1], (x,), (tangent,)),
            ):
                with self.assertRaisesRegex(ValueError, "_loss: the gradient must not be differentiated again"):
                    twice(self.student)

    def test_backward_under_a_dual_level_has_no_tangent(self):
        for function, _ in self.for_each_loss():
            with torch.autograd.forward_ad.dual_level():
                student = self.student.clone().requires_grad_()
                dual = torch.autograd.forward_ad.make_dual(student, torch.randn_like(student))
                with self.assertRaisesRegex(ValueError, "must not be differentiated again"):
                    function(dual).backward()

    def test_gradient_that_was_handed_out_may_be_changed(self):
        for function, expected in self.for_each_loss():
            student = self.student.clone().requires_grad_()
            loss = function(student)
            (gradient,) = torch.autograd.grad(loss, student, retain_graph=True)
            gradient.mul_(2)
            self.assert_equal(torch.autograd.grad(loss, student)[0], expected)

    def test_dispatch_modes(self):
        for function, _ in self.for_each_loss():
            with FlopCounterMode(display=False):
                value = function(self.student.clone().requires_grad_())
            self.assert_equal(value.detach(), function(self.student))

    def test_make_fx(self):
        for function, gradient in self.for_each_loss():
            traced = make_fx(torch.func.grad(function))(self.student)
            self.assert_equal(traced(self.student), gradient)

    def test_compile(self):
        for function, gradient in self.for_each_loss():
            for dynamic in (False, True):
                torch._dynamo.reset()
                compiled = torch.compile(function, fullgraph=True, backend="aot_eager", dynamic=dynamic)
                student = self.student.clone().requires_grad_()
                compiled(student).backward()
                self.assert_equal(student.grad, gradient)

    def test_compiled_batches_of_several_sizes(self):
        torch._dynamo.reset()
        compiled = torch.compile(
            lambda student, teacher: ops.kd_loss(student, teacher, 4.0), fullgraph=True, backend="aot_eager"
        )
        for size in (8, 5, 3):
            student, teacher = torch.randn(size, 10), torch.randn(size, 10)
            self.assert_equal(compiled(student, teacher), ops.kd_loss(student, teacher, 4.0))
        with self.assertRaisesRegex(Exception, "must have the same shape"):
            compiled(torch.randn(4, 10), torch.randn(4, 9))

    def test_export(self):
        for function, _ in self.for_each_loss():

            class Module(torch.nn.Module):
                def forward(self, student):
                    return function(student)

            exported = torch.export.export(Module(), (self.student,)).module()
            self.assert_equal(exported(self.student), function(self.student))

    def test_contrast_outside_of_a_memory_stays_inside_in_a_graph(self):
        memory = functional.normalize(torch.randn(10, 5))
        student = functional.normalize(torch.randn(2, 5))

        def loss(contrast):
            return ops.crd_loss(student, student, memory, memory, contrast, 10.0, 10.0, 0.07)

        compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
        outside = torch.tensor([[0, 1 << 40], [1, -(1 << 40)]])
        self.assert_equal(compiled(outside), loss(torch.tensor([[0, 9], [1, 0]])))

    def test_loss_scale_reaches_gradients_before_they_are_rounded(self):
        maps = torch.full((64, 64, 32, 32), 0.2).half().requires_grad_()
        teacher = torch.zeros_like(maps)
        (ops.fsp_loss([maps, maps], [teacher, teacher])[0] * 65536).backward()
        wide = maps.detach().float().requires_grad_()
        (ops.fsp_loss([wide, wide], [teacher.float()] * 2)[0] * 65536).backward()
        self.assertGreater(float((maps.grad != 0).float().mean()), 0.97)
        torch.testing.assert_close(maps.grad, wide.grad.half())

    def test_autocast_mixes_dtypes(self):
        for name, function in self.losses.functions.items():
            if name == "cross_entropy_loss":
                continue  # it has no teacher
            student = self.student.bfloat16().requires_grad_()
            with self.subTest(loss=name), self.assertRaisesRegex(ValueError, "must have the same dtype"):
                function(student)  # a teacher of float64
        teacher = self.student.float()
        for dtype in (torch.bfloat16, torch.float16):
            student = (2 * teacher).to(dtype).requires_grad_()
            wide = student.detach().float().requires_grad_()
            margin = ops.ofd_batch_margin(teacher)
            for loss in (
                lambda x: ops.kd_loss(x.flatten(1), teacher.flatten(1), 4.0),
                lambda x: ops.fsp_loss([x, x], [teacher, teacher])[0],
                lambda x: ops.nst_loss([x], [teacher], "polynomial")[0],
                lambda x: ops.ofd_loss(x, teacher, margin),
            ):
                student.grad = wide.grad = None
                value = loss(student)
                self.assertEqual(value.dtype, torch.float32)
                torch.testing.assert_close(value, loss(wide))
                value.backward()
                loss(wide).backward()
                torch.testing.assert_close(student.grad, wide.grad.to(dtype))


class ConvolutionTest(unittest.TestCase):
    """conv3x3 is conv2d for all that PyTorch makes of it."""

    def setUp(self):
        torch.manual_seed(0)
        self.images = torch.randn(2, 32, 8, 8).contiguous(memory_format=torch.channels_last)
        self.weight, self.bias = torch.randn(32, 32, 3, 3) / 17, torch.randn(32)

    def ours(self, images):
        return ops.conv3x3(images, self.weight, self.bias).square().mean()

    def expected(self, images):
        return functional.conv2d(images, self.weight, self.bias, padding=1).square().mean()

    def assert_equal(self, actual, expected):
        torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-6)

    def test_func_grad_and_hessian_product(self):
        tangent = torch.randn_like(self.images)

        def product(function):
            return torch.func.grad(lambda x: (torch.func.grad(function)(x) * tangent).sum())(self.images)

        self.assert_equal(torch.func.grad(self.ours)(self.images), torch.func.grad(self.expected)(self.images))
        self.assert_equal(product(self.ours), product(self.expected))

    def test_jvp(self):
        tangent = torch.randn_like(self.images)
        self.assert_equal(
            torch.func.jvp(self.ours, (self.images,), (tangent,)),
            torch.func.jvp(self.expected, (self.images,), (tangent,)),
        )

    def test_vmap(self):
        several = torch.randn(3, *self.images.shape)
        self.assert_equal(torch.func.vmap(self.ours)(several), torch.func.vmap(self.expected)(several))

    def test_compile(self):
        for dynamic in (False, True):
            torch._dynamo.reset()
            compiled = torch.compile(self.ours, fullgraph=True, backend="aot_eager", dynamic=dynamic)
            for size in (2, 5):
                images = torch.randn(size, 32, 8, 8).requires_grad_()
                compiled(images).backward()
                gradient, images.grad = images.grad, None
                self.expected(images).backward()
                self.assert_equal(gradient, images.grad)

    def test_autocast(self):
        with torch.autocast("cpu", torch.bfloat16):
            self.assertEqual(ops.conv3x3(self.images, self.weight).dtype, torch.bfloat16)


class OpcheckTest(unittest.TestCase):
    """PyTorch's opcheck over every operator."""

    def test_every_operator(self):
        losses = Losses()
        maps, teacher = losses.student, torch.randn_like(losses.student)
        logits, other = maps.flatten(1), teacher.flatten(1)
        embeddings, memory = rows(maps), functional.normalize(torch.randn(10, 5, dtype=torch.float64))
        indices, classes = torch.arange(BATCH), torch.arange(10) % 3
        contrast = ops.crd_contrast(indices, 10, 4)
        margin, vector = ops.ofd_batch_margin(teacher), torch.randn(CHANNELS)
        labels = torch.tensor([1, -1, 3])
        images, filters, bias = torch.randn(2, 32, 8, 8), torch.randn(32, 32, 3, 3), torch.randn(32)
        packed = ops._conv3x3_pack(filters)
        crd = (embeddings, embeddings, memory, memory, contrast, 10.0, 10.0, 0.07)
        arguments = {
            "kd_loss": (logits, other, 4.0),
            "dkd_loss": (logits, other, labels),
            "fsp_loss": ([maps, maps], [teacher, teacher]),
            "fsp_matrix": (maps, teacher),
            "nst_loss": ([maps], [teacher], "gaussian"),
            "crd_loss": crd,
            "crd_z": (embeddings, memory, contrast, 0.07),
            "crd_contrast": (indices, 10, 4),
            "crd_class_contrast": (indices, classes, 4),
            "ofd_loss": (maps, teacher, margin),
            "ofd_batch_margin": (teacher,),
            "ofd_expected_margin": (vector, vector),
            "cross_entropy_loss": (logits, labels),
            "_cross_entropy_forward": (logits, labels, None, None, 0.1, [True]),
            "_kd_forward": (logits, other, 4.0, None, 0, [True, False]),
            "_dkd_forward": (logits, other, labels, 1.0, 8.0, 4.0, None, True, [True, True]),
            "_fsp_forward": ([maps, maps], [teacher, teacher], [0, 1], 0, 0, [True, True]),
            "_nst_forward": (maps, teacher, 1, 2, 0.0, 0.0, True, 1e-6, [False, True]),
            "_crd_forward": (*crd, [True, True]),
            "_ofd_forward": (maps, teacher, margin, 2, [True, True]),
            "_ofd_negatives": (teacher,),
            "conv3x3": (images, filters, bias),
            "_conv3x3": (images, filters, None, False),
            "_conv3x3_backward": (bias.view(-1, 1, 1) * images, images * 2, filters, [True, True, True], False),
            "_conv3x3_pack": (filters,),
            "_conv3x3_frozen": (images * 2, packed, bias, None, images * 3, True),
        }
        for name, values in arguments.items():
            # Autograd asks for gradients by itself.
            trained = tuple(
                value.clone().requires_grad_()
                if value is maps or value is logits or value is images
                else [False] * len(value)
                if isinstance(value, list) and isinstance(value[0], bool)
                else value
                for value in values
            )
            for given in (values, trained):
                with self.subTest(operator=name, trained=given is trained):
                    library.opcheck(getattr(ops, name).default, given, test_utils=self.utilities(name))

    def test_bfloat16(self):
        """Gradients of maps in bfloat16 are in bfloat16, too; CRD's memories may be."""
        maps, teacher = torch.randn(2, BATCH, CHANNELS, SIZE, SIZE).bfloat16()
        embeddings, memory = rows(torch.randn(BATCH, 5)), rows(torch.randn(10, 5)).bfloat16()
        contrast = ops.crd_contrast(torch.arange(BATCH), 10, 4)
        arguments = {
            "_fsp_forward": ([maps, maps], [teacher, teacher], [0, 1], 0, 0, [True, True]),
            "_nst_forward": (maps, teacher, 1, 2, 0.0, 0.0, True, 1e-6, [True, True]),
            "_ofd_forward": (maps, teacher, torch.randn(CHANNELS), 2, [True, True]),
            "_crd_forward": (embeddings, embeddings, memory, memory, contrast, 10.0, 10.0, 0.07, [True, True]),
        }
        for name, values in arguments.items():
            with self.subTest(operator=name):
                library.opcheck(getattr(ops, name).default, values, test_utils=self.utilities(name))
                gradients = getattr(ops, name)(*values)[1]
                expected = torch.float32 if name == "_crd_forward" else torch.bfloat16
                self.assertEqual({gradient.dtype for gradient in gradients}, {expected})

    @staticmethod
    def utilities(name):
        """All of them; for operators that draw, or return a number, those that don't ask for the same outputs again."""
        all_but_dispatch = ("test_schema", "test_autograd_registration", "test_faketensor")
        returns_other_each_time = name in ("crd_z", "crd_contrast", "crd_class_contrast")
        return all_but_dispatch + (() if returns_other_each_time else ("test_aot_dispatch_dynamic",))


if __name__ == "__main__":
    torch.ops.load_library(sys.argv[1])
    unittest.main(argv=sys.argv[:1])
