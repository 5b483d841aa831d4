"""Images in MNIST's files as PNG files, and once more in MNIST's files in the order that folders have.

    python3 idx_to_folders.py SOURCE TARGET

Needs Pillow. SOURCE has the compressed files, for example of Debian's package dataset-fashion-mnist. Written are
TARGET/folder/{train,test}/<class>/<index>.png and, sorted by class, then by index, the files TARGET/idx/*-ubyte: image i
of the folder is image i of those files.
"""

import gzip
import sys
from pathlib import Path

from PIL import Image

SIDE = 28
IMAGES_HEAD, LABELS_HEAD = 16, 8  # bytes before the content


def read(source, name):
    with gzip.open(source / f"{name}-ubyte.gz") as file:
        return file.read()


def main():
    source, target = map(Path, sys.argv[1:])
    (target / "idx").mkdir(parents=True)
    for part, folder in ("train", "train"), ("t10k", "test"):
        images, labels = read(source, f"{part}-images-idx3"), read(source, f"{part}-labels-idx1")
        classes = labels[LABELS_HEAD:]
        pixels = [images[at : at + SIDE * SIDE] for at in range(IMAGES_HEAD, len(images), SIDE * SIDE)]
        order = sorted(range(len(classes)), key=lambda index: (classes[index], index))
        for index in order:
            file = target / "folder" / folder / str(classes[index]) / f"{index:05}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.frombytes("L", (SIDE, SIDE), pixels[index]).save(file)
        sorted_images = images[:IMAGES_HEAD] + b"".join(pixels[index] for index in order)
        (target / "idx" / f"{part}-images-idx3-ubyte").write_bytes(sorted_images)
        sorted_labels = labels[:LABELS_HEAD] + bytes(classes[index] for index in order)
        (target / "idx" / f"{part}-labels-idx1-ubyte").write_bytes(sorted_labels)


if __name__ == "__main__":
    main()
