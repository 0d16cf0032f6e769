"""Ways to damage a file: anywhere in its bytes, or in its parts as the format defines them.

Damage of bytes mostly breaks a checksum or a length, and decoders refuse the file early. Damage of parts keeps those
right, and reaches what lies behind.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from tests.support.fuzz.parts import damage_boxes, damage_chunks, damage_riff, damage_segments, damage_tags, damage_xmp

Damage = Callable[[random.Random, bytearray], None]

NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
"""Where sizes and counts overflow, or lose their sign."""


def flip_bits(chance: random.Random, data: bytearray) -> None:
    for _ in range(chance.randint(1, 8)):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def flip_bits_of_the_header(chance: random.Random, data: bytearray) -> None:
    for _ in range(chance.randint(1, 4)):
        data[chance.randrange(min(len(data), 200))] ^= 1 << chance.randrange(8)


def write_numbers(chance: random.Random, data: bytearray) -> None:
    for _ in range(chance.randint(1, 3)):
        size = chance.choice((1, 2, 4))
        number = chance.choice(NUMBERS) & (2 ** (8 * size) - 1)
        at = chance.randrange(max(1, len(data) - size))
        data[at : at + size] = number.to_bytes(size, chance.choice(("big", "little")))


def cut_off(chance: random.Random, data: bytearray) -> None:
    del data[chance.randrange(len(data)) :]


def cut_off_the_end(chance: random.Random, data: bytearray) -> None:
    del data[-chance.randint(1, 16) :]


def take_out(chance: random.Random, data: bytearray) -> None:
    at = chance.randrange(len(data))
    del data[at : at + chance.randint(1, 64)]


def repeat(chance: random.Random, data: bytearray) -> None:
    at = chance.randrange(len(data))
    data[at:at] = data[at : at + chance.randint(1, 256)] * chance.randint(1, 20)


def put_in(chance: random.Random, data: bytearray) -> None:
    at = chance.randrange(len(data))
    data[at:at] = chance.randbytes(chance.randint(1, 64))


def append(chance: random.Random, data: bytearray) -> None:
    data += chance.choice((b"\0", b"\xff", bytes(data), chance.randbytes(chance.randint(1, 3000))))


DAMAGES: tuple[Damage, ...] = (
    flip_bits,
    flip_bits_of_the_header,
    write_numbers,
    cut_off,
    cut_off_the_end,
    take_out,
    repeat,
    put_in,
    append,
)
"""Those that any file can have."""

OF_PARTS: Mapping[bytes, tuple[Damage, ...]] = {
    b"\xff\xd8": (damage_segments, damage_tags, damage_xmp),
    b"\x89P": (damage_chunks, damage_chunks, damage_tags),
    b"II": (damage_tags, damage_tags, damage_xmp),
    b"MM": (damage_tags, damage_tags, damage_xmp),
    b"RI": (damage_riff, damage_tags, damage_xmp),
    b"\0\0": (damage_boxes, damage_tags, damage_xmp),
}
"""The first two bytes of a file -> damage to the parts of this format."""


def damaged(seed: int, number: int, sound: Mapping[str, bytes]) -> tuple[str, bytes]:
    """The photo of this number: what was done to which kind, and the file."""
    chance = random.Random(f"{seed}/{number}")
    kind = chance.choice(list(sound))
    data = bytearray(sound[kind])
    done: list[str] = []
    for _ in range(chance.choice((1, 1, 2, 3))):
        if not data:
            break
        of_parts = OF_PARTS.get(bytes(data[:2]), ())
        damage = chance.choice(of_parts if of_parts and chance.random() < 0.5 else DAMAGES)
        damage(chance, data)
        done.append(damage.__name__)
    if chance.random() < 0.03:
        other = sound[chance.choice(list(sound))]
        data[chance.randrange(len(data) + 1) :] = other[chance.randrange(len(other)) :]
        done.append("splice")
    return f"{kind}: {', '.join(done)}", bytes(data)
