"""Writes a small picture of few colours as PNG, with the same bytes on every machine.

Image libraries draw and compress a little otherwise with each release; committed pictures that are generated again
byte for byte need neither. Nothing is compressed: sixteen colours take half a byte a pixel.
"""

import struct
import zlib

import numpy as np

MOST_COLOURS = 16


def indexed_png(pixels: np.ndarray, palette: np.ndarray) -> bytes:
    """Encodes a picture.

    Args:
        pixels: uint8, (height, width): colour numbers; the width is even.
        palette: uint8, (colours, 3): red, green, blue of each; at most 16.

    Returns:
        the bytes of a PNG file (colour type 3, four bits a pixel, one stored block).

    Raises:
        ValueError: an odd width, too many colours, numbers beyond the palette, or more than one block holds.
    """
    height, width = pixels.shape
    if width % 2 or len(palette) > MOST_COLOURS or pixels.max(initial=0) >= len(palette):
        raise ValueError("pixels must be of even width and below the number of colours, which is at most 16")
    halves = pixels.astype(np.uint8).reshape(height, width // 2, 2)
    packed = (halves[..., 0] << 4) | halves[..., 1]
    lines = np.concatenate([np.zeros((height, 1), np.uint8), packed], axis=1).tobytes()  # 0: lines are not filtered
    header = struct.pack(">IIBBBBB", width, height, 4, 3, 0, 0, 0)
    chunks = (
        (b"IHDR", header),
        (b"PLTE", palette.astype(np.uint8).tobytes()),
        (b"IDAT", _stored(lines)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, content) for kind, content in chunks)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _stored(content: bytes) -> bytes:
    """A zlib stream of one stored block (RFC 1950, RFC 1951 section 3.2.4)."""
    if len(content) > 0xFFFF:
        raise ValueError(f"one stored block holds 65,535 bytes, not {len(content)}")
    lengths = struct.pack("<HH", len(content), len(content) ^ 0xFFFF)
    return b"\x78\x01\x01" + lengths + content + struct.pack(">I", zlib.adler32(content))
