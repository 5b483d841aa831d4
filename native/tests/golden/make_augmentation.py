"""Writes the golden cases of augment() into the folder of this file: the draws of retort/data/augmentation.h, applied by
torchvision.transforms.v2.functional.

Needs torchvision.
"""

import math
import pathlib

import torch
from torchvision.transforms.v2 import functional

MASK = (1 << 64) - 1
OPERATIONS = (
    functional.adjust_brightness,
    functional.adjust_contrast,
    functional.adjust_saturation,
    functional.adjust_hue,
)


def bits(key, i):
    """The i-th output of splitmix64."""
    z = (key + (i + 1) * 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def share(key, i):
    return (bits(key, i) >> 11) * 2.0**-53


def one_of(key, i, count):
    return int(share(key, i) * count)


def between(key, i, low, high):
    return low + share(key, i) * (high - low)


def resized_part(key, height, width, scale, ratio):
    """As RandomResizedCrop.make_params, but for the source of random numbers."""
    for first in range(16, 56, 4):
        area = height * width * between(key, first, *scale)
        aspect = math.exp(between(key, first + 1, *map(math.log, ratio)))
        w = int(round(math.sqrt(area * aspect)))
        h = int(round(math.sqrt(area / aspect)))
        if 0 < w <= width and 0 < h <= height:
            return one_of(key, first + 2, height - h + 1), one_of(key, first + 3, width - w + 1), h, w
    h, w = height, width
    if width / height < ratio[0]:
        h = int(round(width / ratio[0]))
    elif width / height > ratio[1]:
        w = int(round(height * ratio[1]))
    return (height - h) // 2, (width - w) // 2, h, w


def cropped(image, key, size, padding, reflect, scale, ratio):
    height, width = image.shape[-2:]
    if scale:
        return functional.resized_crop(image, *resized_part(key, height, width, scale, ratio), size, antialias=True)
    padded = functional.pad(image, [padding], padding_mode="reflect" if reflect else "constant") if padding else image
    down = one_of(key, 0, 2 * padding + 1)
    right = one_of(key, 1, 2 * padding + 1)
    return functional.center_crop(padded[:, down : down + height, right : right + width], size)


def jittered(image, key, strengths):
    order = [0, 1, 2, 3]
    number = one_of(key, 3, 24)
    for left in (4, 3, 2):
        order[left - 1], order[number % left] = order[number % left], order[left - 1]
        number //= left
    for operation in order:
        strength = strengths[operation]
        low, high = (-strength, strength) if operation == 3 else (max(0, 1 - strength), 1 + strength)
        if strength > 0:
            image = OPERATIONS[operation](image, between(key, 4 + operation, low, high))
    return image


def cut_out(image, key, side, value):
    """As the code of DeVries and Taylor, for an even side."""
    height, width = image.shape[-2:]
    y, x = one_of(key, 8, height), one_of(key, 9, width)
    image = image.clone()
    rows = slice(max(0, y - side // 2), min(height, y + side // 2))
    columns = slice(max(0, x - side // 2), min(width, x + side // 2))
    image[:, rows, columns] = torch.tensor(value or [0.0]).view(-1, 1, 1)
    return image


def augmented(image, key, size, padding, reflect, scale, ratio, flip, jitter, mean, deviation, cutout, cutout_value):
    image = cropped(image, key, size, padding, reflect, scale, ratio)
    if share(key, 2) < flip:
        image = functional.horizontal_flip(image)
    image = jittered(image, key, jitter)
    if mean:
        image = functional.normalize(image, mean, deviation)
    return cut_out(image, key, cutout, cutout_value) if cutout else image


def save(name, shape, seed=7, round=3, **options):
    generator = torch.Generator().manual_seed(2017)
    # As in pictures, there are areas of one colour, grey, black and white.
    images = torch.rand(shape, generator=generator)
    images[:, :, : shape[2] // 3] = images[:, :, :1, :1]
    images[:, :, -1] = images[:, :1, -1]
    images[:, :, 0, 0] = 0
    images[:, :, 0, 1] = 1
    indices = torch.randperm(1000, generator=generator)[: shape[0]]
    options = {
        "size": shape[2:], "padding": 0, "reflect": False, "scale": [], "ratio": [3 / 4, 4 / 3], "flip": 0.0,
        "jitter": [0.0] * 4, "mean": [], "deviation": [], "cutout": 0, "cutout_value": [],
    } | options  # fmt: skip
    results = [
        augmented(image, bits(bits(seed, round), index), **options)
        for image, index in zip(images, indices.tolist())
    ]
    case = {key: torch.tensor(value, dtype=torch.float64) for key, value in options.items()}
    case |= {"images": images, "indices": indices, "augmented": torch.stack(results).contiguous()}
    case |= {"seed": torch.tensor(seed), "round": torch.tensor(round)}
    torch.save(case, pathlib.Path(__file__).parent / f"augmentation_{name}.pt")


def main():
    imagenet = {"mean": [0.485, 0.456, 0.406], "deviation": [0.229, 0.224, 0.225]}
    resized = {"scale": [0.08, 1.0], "flip": 0.5}
    jitter = [0.4, 0.4, 0.4, 0.1]
    save("shift", (8, 3, 9, 12), padding=4, flip=0.5, **imagenet)
    save("centre", (2, 3, 10, 13), size=[7, 8])
    save("centre_other", (2, 3, 12, 11), size=[7, 6])
    save("moved_centre", (8, 1, 12, 11), size=[7, 6], padding=5, reflect=True)
    save("smaller", (8, 3, 20, 24), size=[6, 5], **resized)
    save("larger", (8, 3, 10, 9), size=[21, 30], **resized)
    save("wide", (6, 3, 4, 30), size=[6, 5], **resized)
    save("high", (6, 3, 30, 4), size=[5, 6], **resized)
    save("jitter", (30, 3, 5, 19), jitter=jitter)
    save("strong_jitter", (30, 3, 5, 19), jitter=[1.5, 2.0, 3.0, 0.5])
    save("contrast", (6, 3, 5, 19), jitter=[0.0, 0.9, 0.0, 0.0])
    save("grey_jitter", (12, 1, 5, 19), jitter=jitter)
    save("cutout", (8, 3, 9, 8), cutout=6, **imagenet)
    save("cutout_value", (8, 3, 9, 8), cutout=4, cutout_value=[0.5, 0.25, 0.75])
    save("imagenet", (6, 3, 24, 20), size=[14, 15], jitter=jitter, cutout=4, **resized, **imagenet)


if __name__ == "__main__":
    main()
