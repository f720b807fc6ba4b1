"""Writes the pictures of this folder, and what PIL makes of them, for tests/images.rs.

Needs numpy and pillow 13.0.0. Expected values are PIL's, whatever Pellucid does.
"""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

HERE = Path(__file__).parent
RNG = np.random.default_rng(7)
EXPECTED = {}


def scene(width, height):
    """A smooth picture with edges and a little noise."""
    y, x = np.mgrid[0:height, 0:width].astype(float)
    red = 127 + 120 * np.sin(x / 5) * np.cos(y / 7)
    green = 255 * x / max(width - 1, 1)
    blue = 255 * (((x // 6) + (y // 5)) % 2)
    noise = RNG.normal(0, 8, (height, width, 3))
    return np.clip(np.stack([red, green, blue], -1) + noise, 0, 255).astype(np.uint8)


def write(name, picture, expected=None, **options):
    data = io.BytesIO()
    picture.save(data, **options)
    (HERE / name).write_bytes(data.getvalue())
    shown = Image.open(io.BytesIO(data.getvalue())) if expected is None else expected
    shown = ImageOps.exif_transpose(shown)
    if shown.mode not in ("L", "RGB"):
        shown = shown.convert("RGB")
    EXPECTED[f"decode/{name}"] = np.asarray(shown)


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width, height, depth, color, rows):
    head = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def resizing():
    source = scene(61, 43)
    picture = Image.fromarray(source)
    picture.save(HERE / "scene.png")
    EXPECTED["decode/scene.png"] = source
    sizes = [(20, 14), (100, 70), (3, 2), (10, 90), (61, 20), (90, 43), (1, 1), (62, 44)]
    # Pillow 13 takes columns first where more than twice as many rows as columns go: one side larger and one smaller, both
    # smaller, and on both sides of the limit.
    sizes += [(62, 42), (100, 9), (60, 44), (20, 45), (55, 10), (50, 20), (50, 21)]
    for name in ["nearest", "bilinear", "bicubic", "lanczos"]:
        for width, height in sizes:
            done = picture.resize((width, height), getattr(Image.Resampling, name.upper()))
            EXPECTED[f"resize/{name}/{width}x{height}"] = np.asarray(done)
    grey = picture.convert("L")
    EXPECTED["grey"] = np.asarray(grey)
    EXPECTED["resize/grey/17x29"] = np.asarray(grey.resize((17, 29), Image.Resampling.BICUBIC))


def steps():
    """torchvision's Resize(24), CenterCrop(21), ToTensor, Normalize, by its formulas."""
    picture = Image.open(HERE / "scene.png")
    width, height = picture.size
    picture = picture.resize((int(24 * width / height), 24), Image.Resampling.BILINEAR)
    left, top = round((picture.width - 21) / 2.0), round((picture.height - 21) / 2.0)
    picture = picture.crop((left, top, left + 21, top + 21))
    values = np.asarray(picture).astype(np.float32) / 255
    values = (values - np.float32([0.485, 0.456, 0.406])) / np.float32([0.229, 0.224, 0.225])
    EXPECTED["steps/imagenet"] = values.transpose(2, 0, 1)
    EXPECTED["steps/box"] = np.float64([left, top, 21, 21])


def decoding():
    small = Image.fromarray(scene(24, 16))
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        write(f"turned-{orientation}.jpg", small, format="JPEG", quality=97, subsampling=0, exif=exif)
    exif = Image.Exif()
    exif[0x0112] = 6
    write("turned-6.png", small, format="PNG", exif=exif)
    write("turned-6.webp", small, format="WEBP", lossless=True, exif=exif.tobytes())
    write("progressive.jpg", small, format="JPEG", quality=97, subsampling=0, progressive=True)
    write("subsampled.jpg", Image.fromarray(scene(64, 48)), format="JPEG", quality=90)
    write("grey.jpg", small.convert("L"), format="JPEG", quality=97)
    write("cmyk.jpg", small.convert("CMYK"), format="JPEG", quality=97)
    write("lossy.webp", Image.fromarray(scene(64, 48)), format="WEBP", quality=95)
    write("palette.png", small.quantize(13), format="PNG")
    bits = Image.fromarray(np.asarray(small.convert("L")) > 120)
    write("bits.png", bits, expected=bits.convert("L"), format="PNG")
    write("grey.png", small.convert("L"), format="PNG")

    rgba = np.dstack([np.asarray(small), RNG.integers(0, 256, (16, 24), dtype=np.uint8)])
    picture = Image.fromarray(rgba, "RGBA")
    write("alpha.png", picture, expected=Image.fromarray(rgba[..., :3]), format="PNG")
    white = Image.new("RGBA", picture.size, (255, 255, 255, 255))
    EXPECTED["white/alpha.png"] = np.asarray(Image.alpha_composite(white, picture).convert("RGB"))
    write("alpha.webp", picture, expected=Image.fromarray(rgba[..., :3]), format="WEBP", lossless=True, exact=True)
    palette = small.quantize(5)
    write("palette-alpha.png", palette, format="PNG", transparency=2)
    shown = Image.open(HERE / "palette-alpha.png").convert("RGBA")
    EXPECTED["white/palette-alpha.png"] = np.asarray(Image.alpha_composite(white, shown).convert("RGB"))

    wide = RNG.integers(0, 65536, (5, 7, 3), dtype=np.uint16)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in wide)
    (HERE / "sixteen.png").write_bytes(png(7, 5, 16, 2, rows))
    EXPECTED["decode/sixteen.png"] = np.round(wide / 257.0).astype(np.uint8)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in wide[..., 0])
    (HERE / "sixteen-grey.png").write_bytes(png(7, 5, 16, 0, rows))
    EXPECTED["decode/sixteen-grey.png"] = np.round(wide[..., 0] / 257.0).astype(np.uint8)


resizing()
steps()
decoding()
np.savez_compressed(HERE / "expected.npz", **{k: np.ascontiguousarray(v) for k, v in sorted(EXPECTED.items())})
