"""Writes small pictures of many kinds into the folder of this file, and what Pillow's exif_transpose and convert("RGB")
make of them into expected.txt: a line for each, with its name and its pixels, [H, W, C]; and what torchvision's Resize
and CenterCrop make of some into resized.txt: name, shorter side, [C, H, W] and pixels. Run with Pillow 13.0.0
(libjpeg-turbo 3.2.0).

What Pillow can't write is put together from chunks and segments. Pillow clips grey of 16 bits to 255 instead of scaling
it; there, the high bytes are expected, as in its colours of 16 bits.
"""

import io
import pathlib
import struct
import zlib

from PIL import Image, ImageOps

FOLDER = pathlib.Path(__file__).parent
WIDTH, HEIGHT = 16, 8

expected = []
resized = []


def profile(space):
    """An ICC profile with a gamma of 1: whoever heeds it changes all values."""

    def fixed(*numbers):
        return b"".join(struct.pack(">i", round(number * 65536)) for number in numbers)

    xyz = {"wtpt": (0.9642, 1, 0.8249), "rXYZ": (0.4361, 0.2225, 0.0139), "gXYZ": (0.3851, 0.7169, 0.0971)}
    xyz["bXYZ"] = (0.1431, 0.0606, 0.7142)
    linear = b"curv" + struct.pack(">III", 0, 1, 0x0100_0000)
    tags = {"desc": b"desc" + struct.pack(">II", 0, 7) + b"linear\0" + bytes(81), "cprt": b"text\0\0\0\0none\0\0\0\0"}
    if space == b"RGB ":
        tags |= {name: b"XYZ \0\0\0\0" + fixed(*value) for name, value in xyz.items()}
        tags |= dict.fromkeys(("rTRC", "gTRC", "bTRC"), linear)
    else:
        tags |= {"wtpt": b"XYZ \0\0\0\0" + fixed(*xyz["wtpt"]), "kTRC": linear}
    table = struct.pack(">I", len(tags))
    body = b""
    for name, content in tags.items():
        table += name.encode() + struct.pack(">II", 128 + 4 + 12 * len(tags) + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    header = bytes(4) + struct.pack(">I", 0x0210_0000) + b"mntr" + space + b"XYZ " + bytes(12) + b"acsp" + bytes(28)
    header += fixed(0.9642, 1, 0.8249) + bytes(48)
    whole = header + table + body
    return struct.pack(">I", len(whole)) + whole[4:]


def png(name, depth, color, pixel, *chunks):
    """Writes a PNG file; pixel(x, y) gives the samples."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    rows = b""
    for y in range(HEIGHT):
        bits = "".join(format(sample, f"0{depth}b") for x in range(WIDTH) for sample in pixel(x, y))
        rows += b"\0" + int(bits, 2).to_bytes(len(bits) // 8, "big")
    whole = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, depth, color, 0, 0, 0))
    for kind, content in chunks:
        whole += chunk(kind, content)
    write(name + ".png", whole + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""))


def smooth(x, y):
    return 13 * x + 20, 25 * y + 40, 200 - 9 * x, 11 * y + 5 * x


def greyish(x, y):
    return 9 * x + 10 * y + 30, 6 * x - 2 * y + 80, 150 - 3 * x - 5 * y, 5 * x + 4 * y


def jpeg(name, mode, change=lambda content: content, pixel=smooth, size=(WIDTH, HEIGHT), **options):
    """Writes a JPEG file; pixel(x, y) gives the samples."""
    picture = Image.new(mode, size)
    for y in range(picture.height):
        for x in range(picture.width):
            picture.putpixel((x, y), pixel(x, y)[: len(picture.getbands())])
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=90, optimize=True, **options)
    write(name + ".jpg", change(file.getvalue()))


def segments(content):
    """Splits a JPEG file into its segments; what follows the header of the scan belongs to it."""
    parts = [content[:2]]
    at = 2
    while content[at + 1] != 0xDA:
        size = 2 + struct.unpack_from(">H", content, at + 2)[0]
        parts.append(content[at : at + size])
        at += size
    return [*parts, content[at:]]


def adobe(transform):
    """Says, in an Adobe segment in place of those there are, how the components were transformed; None for no word."""

    def change(content):
        start, *others = (part for part in segments(content) if part[1] not in (0xE0, 0xEE))
        said = b"" if transform is None else b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0" + bytes([transform])
        return b"".join([start, said, *others])

    return change


def numbered(first):
    """Numbers the components of a file without JFIF and Adobe segments."""

    def change(content):
        parts = [bytearray(part) for part in segments(adobe(None)(content))]
        for part in parts:
            if part[1] in (0xC0, 0xDA):
                step, at = (3, 10) if part[1] == 0xC0 else (2, 5)
                for component in range(3):
                    part[at + step * component] = first + component
        return b"".join(bytes(part) for part in parts)

    return change


def write(name, content):
    (FOLDER / name).write_bytes(content)
    picture = Image.open(io.BytesIO(content))
    if picture.mode == "I;16":
        picture = picture.point(lambda value: value / 256).convert("L")
    picture = ImageOps.exif_transpose(picture)
    assert picture.size == (WIDTH, HEIGHT), name
    expected.append(f"{name} {picture.convert('RGB').tobytes().hex()}\n")


def exif(orientation, order):
    """Exif data of one entry, as in a TIFF file of an order of bytes."""
    start = b"II*\0" if order == "<" else b"MM\0*"
    return start + struct.pack(order + "IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)


def oriented(orientation):
    """Puts an Exif segment after the first one."""

    def change(content):
        start, first, *others = segments(content)
        said = b"Exif\0\0" + exif(orientation, "<" if orientation % 2 else ">")
        return b"".join([start, first, b"\xff\xe1" + struct.pack(">H", 2 + len(said)) + said, *others])

    return change


def webp(name, mode, **options):
    picture = Image.new(mode, (WIDTH, HEIGHT))
    for y in range(HEIGHT):
        for x in range(WIDTH):
            picture.putpixel((x, y), (*color(x, y), 17 * x)[: len(mode)])
    file = io.BytesIO()
    picture.save(file, "WEBP", lossless=True, exact=True, **options)
    write(name + ".webp", file.getvalue())


def resize(name, shorter, shape):
    """Notes a picture as torchvision's Resize(shorter) and CenterCrop give it; shorter 0 for the smallest that covers."""
    channels, height, width = shape
    picture = Image.open(FOLDER / name).convert("RGB")
    if channels == 1:
        picture = picture.convert("L")
    if shorter == 0:
        scale = max(height / HEIGHT, width / WIDTH)
        size = max(width, int(scale * WIDTH + 0.5)), max(height, int(scale * HEIGHT + 0.5))
    else:
        size = int(shorter * WIDTH / HEIGHT), shorter
    left, top = round((size[0] - width) / 2), round((size[1] - height) / 2)
    picture = picture.resize(size, Image.Resampling.BILINEAR).crop((left, top, left + width, top + height))
    resized.append(f"{name} {shorter} {channels} {height} {width} {picture.tobytes().hex()}\n")


def color(x, y):
    return 16 * x + y, 255 - 30 * y, (7 * x + 11 * y) % 256


def deep(x, y):
    return 4096 * x + 511 * y, 65535 - 8000 * y, (1777 * x + 2555 * y) % 65536


RGB, GREY = profile(b"RGB "), profile(b"GRAY")
LINEAR = b"gAMA", struct.pack(">I", 100_000)
PALETTE = b"PLTE", bytes(value for i in range(16) for value in (17 * i, 255 - 13 * i, i * i))

png("rgb_linear", 8, 2, color, LINEAR)
png("rgb_profile", 8, 2, color, (b"iCCP", b"linear\0\0" + zlib.compress(RGB)))
png("rgb_transparent", 8, 2, color, (b"tRNS", struct.pack(">HHH", *color(3, 2))))
png("rgb_16", 16, 2, deep)
png("rgba", 8, 6, lambda x, y: (*color(x, y), 17 * x))
png("rgba_16", 16, 6, lambda x, y: (*deep(x, y), 4369 * x))
png("grey_1", 1, 0, lambda x, y: [(x + y) % 2])
png("grey_2", 2, 0, lambda x, y: [(x + y) % 4])
png("grey_4", 4, 0, lambda x, y: [(x + y) % 16])
png("grey_linear", 8, 0, lambda x, y: [16 * x + y], LINEAR)
png("grey_profile", 8, 0, lambda x, y: [16 * x + y], (b"iCCP", b"linear\0\0" + zlib.compress(GREY)))
png("grey_transparent", 8, 0, lambda x, y: [16 * x + y], (b"tRNS", struct.pack(">H", 35)))
png("grey_16", 16, 0, lambda x, y: [4096 * x + 511 * y])
png("grey_alpha", 8, 4, lambda x, y: (16 * x + y, 30 * y))
png("grey_alpha_16", 16, 4, lambda x, y: (4096 * x + 511 * y, 8000 * y))
png("palette_4", 4, 3, lambda x, y: [(x + y) % 16], PALETTE)
png("palette_8", 8, 3, lambda x, y: [(x + y) % 16], PALETTE, LINEAR)
png("palette_transparent", 8, 3, lambda x, y: [(x + y) % 16], PALETTE, (b"tRNS", bytes(range(0, 160, 10))))

jpeg("ycc", "RGB", subsampling=0)
jpeg("ycc_halved", "RGB", subsampling=2)
jpeg("ycc_progressive", "RGB", progressive=True)
jpeg("ycc_profile", "RGB", icc_profile=RGB)
jpeg("ycc_profile_of_grey", "RGB", icc_profile=GREY)
jpeg("ycc_adobe", "RGB", adobe(1), subsampling=0)
jpeg("ycc_unmarked", "RGB", adobe(None), subsampling=0)
jpeg("ycc_unmarked_from_0", "RGB", numbered(0), subsampling=0)
jpeg("rgb_unmarked", "RGB", adobe(None), keep_rgb=True)
jpeg("rgb_adobe", "RGB", adobe(0), subsampling=0)
jpeg("luminance", "L")
jpeg("luminance_profile", "L", icc_profile=GREY)
jpeg("cmyk", "CMYK")
jpeg("cmyk_unmarked", "CMYK", adobe(None))
jpeg("cmyk_profile", "CMYK", icc_profile=RGB)
jpeg("ycck", "CMYK", adobe(2), greyish)
jpeg("ycck_halved", "CMYK", adobe(2), greyish, subsampling=2)
jpeg("ycck_guessed", "CMYK", adobe(1), greyish)

for orientation in range(1, 9):
    size = (HEIGHT, WIDTH) if orientation >= 5 else (WIDTH, HEIGHT)
    jpeg(f"turned_{orientation}", "RGB", oriented(orientation), size=size, subsampling=0)
jpeg("turned_grey", "L", oriented(3))
jpeg("turned_unknown", "RGB", oriented(9))
png("turned", 8, 2, color, (b"eXIf", exif(2, ">")))

webp("rgb", "RGB")
webp("rgb_profile", "RGB", icc_profile=RGB)
webp("rgba", "RGBA")
webp("turned", "RGB", exif=exif(4, "<"))

for name in "rgb_linear.png", "ycc.jpg":
    for shape in (3, 4, 4), (3, 8, 8), (3, 3, 16), (3, 19, 21), (1, 5, 9), (1, 8, 16):
        resize(name, 0, shape)
    for shorter, shape in (4, (3, 4, 4)), (5, (3, 4, 4)), (7, (3, 4, 5)), (11, (3, 8, 7)), (11, (1, 11, 11)), (40, (3, 2, 3)):
        resize(name, shorter, shape)

(FOLDER / "resized.txt").write_text("".join(resized))
(FOLDER / "expected.txt").write_text("".join(expected))
