"""Writes the golden cases of dkd_loss, and of kd_loss with standardised logits, into the folder of this file.

They are computed in float64 from the formulas of Zhao et al. (CVPR 2022) and Sun et al. (CVPR 2024) by plain PyTorch:
the target class is cut out, where the papers' code hides it by subtracting 1000 from its logit.
"""

import pathlib

import torch
from torch.nn import functional


def standardised(logits):
    return (logits - logits.mean(1, keepdim=True)) / (logits.std(1, keepdim=True) + 1e-7)


def divergence(teacher, student):
    return functional.kl_div(student, teacher, reduction="batchmean", log_target=True)


def kd(student, teacher, temperature):
    parts = (functional.log_softmax(logits / temperature, 1) for logits in (teacher, student))
    return temperature**2 * divergence(*parts)


def dkd(student, teacher, labels, alpha, beta, temperature):
    target = functional.one_hot(labels, student.size(1)).bool()

    def parts(logits):
        logits = logits / temperature
        others = logits[~target].view(len(logits), -1)
        two = torch.stack([logits[target], others.logsumexp(1)], dim=1)
        return functional.log_softmax(two, 1), functional.log_softmax(others, 1)

    (teacher_two, teacher_others), (student_two, student_others) = parts(teacher), parts(student)
    return temperature**2 * (
        alpha * divergence(teacher_two, student_two) + beta * divergence(teacher_others, student_others)
    )


def save(name, loss, standardise, **arguments):
    case = {key: torch.as_tensor(value) for key, value in arguments.items()}
    student = case["s"].requires_grad_()
    teacher = case["t"]
    if standardise and loss is dkd:
        case["standardise"] = torch.tensor(1.0, dtype=torch.float64)
    change = standardised if standardise else lambda logits: logits
    rest = {key: value for key, value in arguments.items() if key not in ("s", "t")}
    value = loss(change(student), change(teacher), **rest)
    value.backward()
    case.update(s=student.detach(), loss=value.detach(), grad=student.grad)
    torch.save(case, pathlib.Path(__file__).parent / f"{name}.pt")


def main():
    generator = torch.Generator().manual_seed(2022)

    def logits(batch, classes, scale=3.0):
        return scale * torch.randn(batch, classes, generator=generator, dtype=torch.float64)

    def labels(batch, classes):
        return torch.randint(classes, (batch,), generator=generator)

    def number(value):
        return torch.tensor(value, dtype=torch.float64)

    for name, batch, classes, alpha, beta, temperature, standardise in (
        ("dkd_t4", 8, 10, 1.0, 8.0, 4.0, False),
        ("dkd_wide", 5, 100, 1.0, 2.0, 1.0, False),
        ("dkd_two_classes", 6, 2, 0.5, 3.0, 2.0, False),
        ("dkd_standardised", 7, 20, 1.0, 8.0, 2.0, True),
    ):
        save(
            name, dkd, standardise, s=logits(batch, classes), t=logits(batch, classes, 6.0),
            labels=labels(batch, classes), alpha=number(alpha), beta=number(beta), temperature=number(temperature),
        )  # fmt: skip
    save("standardised_kd", kd, True, s=logits(8, 20), t=logits(8, 20, 6.0), temperature=number(2.0))


if __name__ == "__main__":
    main()
