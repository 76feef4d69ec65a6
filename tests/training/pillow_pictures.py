#!/usr/bin/env python3
"""Writes pictures of many kinds into FOLDER and prints a line for each: name, width, height and the CRC-32 of the
RGB pixels that Pillow reads from it, turned upright. test_picture.cpp reads them with our code and compares.

    python3 tests/training/pillow_pictures.py FOLDER [PICTURE...]

With PICTUREs it writes nothing and prints their lines.
"""
import sys
import zlib

import numpy as np
from PIL import Image, ImageOps

folder = sys.argv[1]


def report(path):
    picture = ImageOps.exif_transpose(Image.open(path))
    if picture.mode.startswith("I"):
        # Pillow clips 16-bit grey at 255; we keep the high byte, as Pillow itself does for 16-bit colour.
        picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    picture = picture.convert("RGB")
    print(path, picture.width, picture.height, zlib.crc32(picture.tobytes()), flush=True)


def save(picture, name, **options):
    path = f"{folder}/{name}"
    picture.save(path, **options)
    report(path)


def smooth(width, height):
    y, x = np.mgrid[0:height, 0:width]
    channels = [x * 255 // width, y * 255 // height, (x * 3 + y * 5) % 256]
    return Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8))


def png16(colour):
    """A 16-bit PNG, which Pillow can read but for colour not write."""
    def chunk(kind, data):
        body = kind + data
        return len(data).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")

    rows = np.random.default_rng(5).integers(0, 65536, (6, 7 * (3 if colour else 1))).astype(">u2")
    header = (7).to_bytes(4, "big") + (6).to_bytes(4, "big") + bytes([16, 2 if colour else 0, 0, 0, 0])
    data = b"".join(b"\0" + row.tobytes() for row in rows)
    path = f"{folder}/{'colour' if colour else 'grey'}16.png"
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) +
                   chunk(b"IEND", b""))
    report(path)


def write_all():
    picture = smooth(53, 37)
    alpha = picture.copy()
    alpha.putalpha(smooth(53, 37).convert("L"))
    for subsampling in (0, 1, 2):
        save(picture, f"subsampling{subsampling}.jpg", quality=90, subsampling=subsampling)
    save(picture, "progressive.jpg", progressive=True)
    save(picture.convert("L"), "grey.jpg")
    picture.convert("CMYK").save(f"{folder}/cmyk.jpg", quality=95)
    Image.open(f"{folder}/cmyk.jpg").convert("RGB").save(f"{folder}/cmyk.jpg.png")  # no line: compared with a tolerance
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        save(picture, f"turned{orientation}.jpg", exif=exif)
    save(picture, "colour.png")
    save(picture.convert("L"), "grey.png")
    save(picture.convert("1"), "bits.png")
    save(alpha, "alpha.png")
    save(alpha.convert("LA"), "grey_alpha.png")
    palette = picture.quantize(17)
    save(palette, "palette.png")
    save(palette, "palette_transparent.png", transparency=3)
    png16(True)
    png16(False)
    save(picture, "colour.bmp")
    save(palette, "palette.bmp")
    save(picture, "colour.ppm")
    save(picture.convert("L"), "grey.pgm")
    save(picture, "colour.tif")
    save(picture.convert("L"), "grey.tiff", compression="tiff_lzw")
    save(picture, "colour.webp", lossless=True)
    save(alpha, "alpha.webp", lossless=True, exact=True)


if len(sys.argv) > 2:
    for name in sys.argv[2:]:
        report(name)
else:
    write_all()
