#!/usr/bin/env python3
"""What torchvision's augmentation policies do to Pillow images, for test_image_operations.cpp and
test_augmentation_policy.cpp to compare with.

    python3 tests/training/torchvision_operations.py pictures FOLDER [PHOTO...]

writes pictures into FOLDER and prints for each, and each PHOTO, and each operation with many magnitudes a line: the
picture's path, the operation's number in torchvision's order, the magnitude, the CRC-32 of the result's pixels, the
operation's name.

    python3 tests/training/torchvision_operations.py magnitudes WIDTH HEIGHT

prints a line for each magnitude that a policy may choose: "trivial" or "rand", the operation's number, the index of
the magnitude or -1 where there is but one, the magnitude, 1 where its sign is drawn.
"""
import sys
import zlib

import numpy as np
from PIL import Image
from torchvision.transforms import InterpolationMode, RandAugment, TrivialAugmentWide
from torchvision.transforms.autoaugment import _apply_op

SPACE = TrivialAugmentWide()._augmentation_space(31)


def magnitudes_of(name):
    """All of TrivialAugmentWide's, some of which are RandAugment's too, and odd ones between."""
    values, signed = SPACE[name]
    if values.ndim == 0:
        return [0.0]
    values = [float(v) for v in values]
    if name != "Posterize":
        values += [values[0] + (values[-1] - values[0]) * part for part in (0.0101, 0.1234, 0.3337, 0.7071)]
    if name == "Rotate":
        values += [180.0, 270.0, 359.9]
    if name == "Posterize":
        values.append(1.0)
    return sorted({sign * v for v in values for sign in ((1, -1) if signed else (1,))})


def report(path):
    picture = Image.open(path).convert("RGB")
    for number, name in enumerate(SPACE):
        for magnitude in magnitudes_of(name):
            result = _apply_op(picture, name, magnitude, interpolation=InterpolationMode.NEAREST, fill=None)
            print(path, number, repr(magnitude), zlib.crc32(result.tobytes()), name)


def write_pictures(folder):
    random = np.random.default_rng(7)
    y, x = np.mgrid[0:37, 0:53]
    smooth = np.stack([x * 255 // 53, y * 255 // 37, (x * 3 + y * 5) % 256], axis=-1)
    pictures = {
        "smooth": smooth,
        "narrow_range": 90 + smooth // 7,
        "noise": random.integers(0, 256, (31, 32, 3)),
        "square": random.integers(0, 256, (29, 29, 3)),
        "two_values": random.integers(0, 2, (24, 19, 3)) * 200 + 20,
        "dark": random.integers(0, 4, (40, 40, 3)) ** 3,
        "flat": np.full((9, 11, 3), (0, 255, 77)),
        "row": random.integers(0, 256, (1, 41, 3)),
        "column": random.integers(0, 256, (300, 1, 3)),
        "two_columns": random.integers(0, 256, (17, 2, 3)),
        "pixel": random.integers(0, 256, (1, 1, 3)),
    }
    for name, pixels in pictures.items():
        path = f"{folder}/{name}.png"
        Image.fromarray(pixels.astype(np.uint8)).save(path)
        yield path


def print_magnitudes(width, height):
    spaces = {"trivial": SPACE, "rand": RandAugment()._augmentation_space(31, (height, width))}
    for policy, space in spaces.items():
        for number, (values, signed) in enumerate(space.values()):
            for index, value in [(-1, 0.0)] if values.ndim == 0 else enumerate(values):
                print(policy, number, index, repr(float(value)), int(signed))


if sys.argv[1] == "pictures":
    for picture_path in [*write_pictures(sys.argv[2]), *sys.argv[3:]]:
        report(picture_path)
else:
    print_magnitudes(int(sys.argv[2]), int(sys.argv[3]))
