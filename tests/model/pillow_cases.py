#!/usr/bin/env python3
"""Resizes pictures with Pillow and prints a line for each: what was done and the CRC-32 of the pixels.

test_preprocess.cpp does the same with our code and compares; with --golden, the few cases whose results the test
keeps, so that it checks something without Python too.

Lines: pillow VERSION
       resize W H w h filter left top right bottom seed CRC
       crop W H resize crop filter seed CRC
       stretch W H resize crop filter seed CRC
"""
import argparse
import random
import zlib

import numpy as np
import PIL
from PIL import Image

FILTERS = [Image.Resampling.BILINEAR, Image.Resampling.BICUBIC]


def make_pixels(width, height, seed):
    """The picture that make_pixels in the C++ test makes: noise, every third one black and white only."""
    index = np.arange(width * height * 3, dtype=np.uint64)
    value = ((index * 2654435761 + seed * 40503) % 2**32) >> 13
    value = ((value * value + index) % 2**32) >> 7
    noise = (value & 255).astype(np.uint8)
    if seed % 3 == 0:
        noise = np.where(noise > 127, 255, 0).astype(np.uint8)
    return Image.fromarray(noise.reshape(height, width, 3))


def resize(width, height, to_width, to_height, which, box, seed):
    picture = make_pixels(width, height, seed).resize((to_width, to_height), FILTERS[which], box=box)
    print("resize", width, height, to_width, to_height, which, *map(repr, box), seed, zlib.crc32(picture.tobytes()))


def crop(width, height, size, kept, which, seed, what="crop"):
    """torchvision's Resize(size), or Resize((size, size)) to stretch, and CenterCrop(kept) on a PIL picture."""
    short, long = min(width, height), max(width, height)
    scaled = int(size * long / short)
    new_width, new_height = (size, scaled) if width <= height else (scaled, size)
    if what == "stretch":
        new_width = new_height = size
    picture = make_pixels(width, height, seed).resize((new_width, new_height), FILTERS[which])
    left, top = int(round((new_width - kept) / 2.0)), int(round((new_height - kept) / 2.0))
    picture = picture.crop((left, top, left + kept, top + kept))
    print(what, width, height, size, kept, which, seed, zlib.crc32(picture.tobytes()))


def golden():
    sizes = [(1, 1), (1, 300), (300, 1), (2, 3), (224, 224), (256, 256), (255, 257), (320, 240), (640, 361),
             (59, 675), (1280, 720), (3000, 2)]
    for seed, (width, height) in enumerate(sizes):
        crop(width, height, 256, 224, seed % 2, seed)
    crop(320, 240, 256, 224, 0, 12, "stretch")
    crop(90, 700, 64, 64, 1, 13, "stretch")
    resize(100, 80, 31, 47, 0, (0.0, 0.0, 100.0, 80.0), 1)
    resize(100, 80, 31, 47, 1, (10.3, 7.9, 88.1, 63.3), 2)
    resize(40, 700, 33, 5, 0, (0.0, 0.0, 40.0, 700.0), 3)
    resize(50, 50, 50, 20, 1, (0.0, 0.0, 50.0, 50.0), 4)
    resize(50, 50, 20, 50, 0, (0.0, 0.0, 50.0, 50.0), 5)
    resize(7, 9, 7, 9, 0, (0.0, 0.0, 7.0, 9.0), 6)


def random_cases():
    random.seed(7)
    for seed in range(160):
        width, height = (random.choice([1, 2, 3, random.randint(1, 60), random.randint(1, 900)]) for _ in "wh")
        to_width, to_height = (random.choice([1, 2, width, height, random.randint(1, 400)]) for _ in "wh")
        left, right = sorted(random.uniform(0, width) for _ in "lr")
        top, bottom = sorted(random.uniform(0, height) for _ in "tb")
        box = (0.0, 0.0, float(width), float(height)) if seed % 4 == 0 else (left, top, right, bottom)
        resize(width, height, to_width, to_height, seed % 2, box, seed)
    sizes = [(2400, 1800), (8000, 300), (1, 700), (700, 1), (33, 2000), (2000, 33), (500, 1501)]
    sizes += [(random.randint(1, 1500), random.randint(100, 1500)) for _ in range(25)]
    for seed, (width, height) in enumerate(sizes):
        for size, kept in [(256, 224), (37, 36), (33, 20), (1, 1)]:
            if max(width, height) // min(width, height) * size < 12000:
                crop(width, height, size, kept, seed % 2, seed)
            crop(width, height, size, kept, seed % 2, seed, "stretch")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--golden", action="store_true", help="only the cases whose results the test keeps")
    print("pillow", PIL.__version__)
    if parser.parse_args().golden:
        golden()
    else:
        random_cases()


if __name__ == "__main__":
    main()
