"""PNG and TIFF files for tests, with nothing but the standard library.

A picture is (width, height, channels, samples): samples are ints of 8 or 16 bits in PNG
and floats in TIFF, row by row.
SPDX-License-Identifier: GPL-3.0-or-later
"""

import struct
import zlib

PNG_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # channels: colour type


def write_png(path, width, height, channels, samples, bits=8, icc=None):
    code = ">%d%s" % (width * channels, "B" if bits == 8 else "H")
    rows = b"".join(
        b"\0" + struct.pack(code, *samples[y * width * channels : (y + 1) * width * channels])
        for y in range(height)
    )

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, bits, PNG_TYPES[channels], 0, 0, 0)
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header))
        if icc is not None:
            file.write(chunk(b"iCCP", b"test\0\0" + zlib.compress(icc)))
        file.write(chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def png_chunks(path):
    data = open(path, "rb").read()
    assert data[:8] == b"\x89PNG\r\n\x1a\n", path
    at, chunks = 8, {}
    while at < len(data):
        length, name = struct.unpack(">I4s", data[at : at + 8])
        chunks[name] = chunks.get(name, b"") + data[at + 8 : at + 8 + length]
        at += length + 12
    return chunks


def unfilter(kind, line, above, step):
    for i in range(len(line)):
        left = line[i - step] if i >= step else 0
        up = above[i]
        corner = above[i - step] if i >= step else 0
        if kind == 1:
            line[i] = (line[i] + left) & 255
        elif kind == 2:
            line[i] = (line[i] + up) & 255
        elif kind == 3:
            line[i] = (line[i] + (left + up) // 2) & 255
        elif kind == 4:
            guess = left + up - corner
            best = min((abs(guess - v), k, v) for k, v in enumerate((left, up, corner)))
            line[i] = (line[i] + best[2]) & 255


def read_png(path):
    """(width, height, channels, samples, bits)"""
    chunks = png_chunks(path)
    width, height, bits, kind = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
    channels = {v: k for k, v in PNG_TYPES.items()}[kind]
    step = channels * bits // 8
    data = zlib.decompress(chunks[b"IDAT"])
    above, out, at = bytearray(width * step), bytearray(), 0
    for _ in range(height):
        line = bytearray(data[at + 1 : at + 1 + width * step])
        unfilter(data[at], line, above, step)
        out += line
        above, at = line, at + 1 + width * step
    n = width * height * channels
    samples = struct.unpack(">%d%s" % (n, "B" if bits == 8 else "H"), bytes(out))
    return width, height, channels, list(samples), bits


def write_float_tiff(path, width, height, channels, samples):
    data = struct.pack("<%df" % len(samples), *samples)
    tags = [
        (256, 3, 1, width), (257, 3, 1, height), (259, 3, 1, 1),
        (262, 3, 1, 2 if channels >= 3 else 1), (273, 4, 1, 8), (277, 3, 1, channels),
        (278, 3, 1, height), (279, 4, 1, len(data)), (284, 3, 1, 1),
        (65000, 3, 1, 7),  # nobody knows it: to be ignored
    ]
    extra = 8 + len(data)
    words = struct.pack("<%dH" % (2 * channels), *([32] * channels + [3] * channels))
    tags += [(258, 3, channels, extra), (339, 3, channels, extra + 2 * channels)]
    with open(path, "wb") as file:
        file.write(struct.pack("<2sHI", b"II", 42, extra + len(words)) + data + words)
        file.write(struct.pack("<H", len(tags)))
        for tag, kind, count, value in sorted(tags):
            file.write(struct.pack("<HHII", tag, kind, count, value))
        file.write(struct.pack("<I", 0))


def read_float_tiff(path):
    """(width, height, channels, samples) of an uncompressed little-endian float file."""
    data = open(path, "rb").read()
    assert data[:4] == b"II*\0", path
    (at,) = struct.unpack("<I", data[4:8])
    (n,) = struct.unpack("<H", data[at : at + 2])
    tags = {}
    for i in range(n):
        tag, kind, count = struct.unpack("<HHI", data[at + 2 + 12 * i : at + 10 + 12 * i])
        size = {3: 2, 4: 4}.get(kind, 1) * count
        place = at + 10 + 12 * i
        if size > 4:
            (place,) = struct.unpack("<I", data[place : place + 4])
        if kind in (3, 4):
            tags[tag] = struct.unpack("<%d%s" % (count, "HI"[kind - 3]), data[place : place + size])
    assert tags[258][0] == 32 and tags[339][0] == 3, "not float"
    strips = [data[o : o + s] for o, s in zip(tags[273], tags[279])]
    if tags.get(259, (1,))[0] != 1:
        strips = [zlib.decompress(s) for s in strips]
    raw = b"".join(strips)
    return tags[256][0], tags[257][0], tags[277][0], list(struct.unpack("<%df" % (len(raw) // 4), raw))
