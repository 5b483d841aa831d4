"""Trains the teacher of OnnxTeacherTest on the digits and writes it as ONNX: teacher.py digits.csv.gz teacher.onnx.

Needs torch and onnx.
"""

import sys

import numpy
import torch
from torch import nn

digits, output = sys.argv[1:]
table = torch.from_numpy(numpy.loadtxt(digits, delimiter=",", dtype=numpy.float32))
images, labels = table[:, :64].reshape(-1, 1, 8, 8) / 16, table[:, 64].long()

torch.manual_seed(1)
teacher = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
optimizer = torch.optim.Adam(teacher.parameters(), 0.01)
for _ in range(200):
    optimizer.zero_grad()
    nn.functional.cross_entropy(teacher(images), labels).backward()
    optimizer.step()
print(f"{(teacher(images).argmax(1) == labels).float().mean():.4f} of the images are correct")

torch.onnx.export(
    teacher,
    images[:1],
    output,
    dynamo=False,
    input_names=["images"],
    output_names=["logits"],
    dynamic_axes={"images": {0: "batch"}, "logits": {0: "batch"}},
)
