"""Cap'n Proto messages, decoded by hand with every bound checked: for tools/read_canvas.py."""

from __future__ import annotations

from typing import NamedTuple

from xxh3 import u32_at, u64_at


class CanvasError(Exception):
    """The file is not a canvas, or breaks a rule of the format; the text is one line."""


class Message:
    """A framed, unpacked message: its segments, and how much of it may still be walked."""

    def __init__(self, data: bytes) -> None:
        count = u32_at(data, 0) + 1
        at = (4 + 4 * count + 7) // 8 * 8
        if count > 512 or at > len(data):
            raise CanvasError(f"message: {count} segments do not fit")
        self.segments: list[bytes] = []
        for i in range(count):
            end = at + 8 * u32_at(data, 4 + 4 * i)
            if end > len(data):
                raise CanvasError(f"message: segment {i} ends beyond the message")
            self.segments.append(data[at:end])
            at = end
        self.budget = len(data) // 4 + 1024

    def take(self, segment: int, at: int, words: int, charge: int) -> None:
        """Refuses words outside their segment, and a walk much longer than the message."""
        if segment >= len(self.segments):
            raise CanvasError(f"message: no segment {segment}")
        if at < 0 or 8 * (at + words) > len(self.segments[segment]):
            raise CanvasError(f"message: words {at} to {at + words} are outside their segment")
        self.budget -= charge
        if self.budget < 0:
            raise CanvasError("message: traversal limit reached")

    def word(self, segment: int, at: int) -> int:
        """One word of a segment."""
        self.take(segment, at, 1, 0)
        return u64_at(self.segments[segment], 8 * at)

    def follow(self, segment: int, at: int) -> tuple[int, int, int] | None:
        """What the pointer at a word names: segment, first word, and the pointer that tells."""
        pointer = self.word(segment, at)
        if pointer & 3 == 2:
            far, segment, at = pointer, pointer >> 32, pointer >> 3 & 0x1FFFFFFF
            pointer = self.word(segment, at)
            if far & 4:
                tag = self.word(segment, at + 1)
                if pointer & 7 != 2 or tag & 0xFFFFFFFE:
                    raise CanvasError("message: not a double-far pointer's landing pad")
                return pointer >> 32, pointer >> 3 & 0x1FFFFFFF, tag
        if pointer == 0:
            return None
        offset = pointer >> 2 & 0x3FFFFFFF
        return segment, at + 1 + offset - (offset >> 29 << 30), pointer


class Struct(NamedTuple):
    """A struct: `size` bytes of data from byte `at` of a segment, `pointers` words behind."""

    message: Message
    segment: int
    at: int
    size: int
    pointers: int

    def uint(self, at: int, size: int, default: int = 0) -> int:
        """An unsigned field; its default where the struct is too short to have it."""
        if at + size > self.size:
            return default
        data = self.message.segments[self.segment][self.at + at:self.at + at + size]
        return int.from_bytes(data, "little") ^ default

    def _named(self, index: int, kind: int) -> tuple[int, int, int] | None:
        """What a pointer names, which must be of a kind: 0 a struct, 1 a list."""
        if index >= self.pointers:
            return None
        found = self.message.follow(self.segment, (self.at + self.size) // 8 + index)
        if found and found[2] & 3 != kind:
            raise CanvasError("message: a pointer is of another kind than its field")
        return found

    def struct(self, index: int) -> Struct:
        """The struct that a pointer names; an empty one, all defaults, of a null pointer."""
        found = self._named(index, 0)
        if found is None:
            return Struct(self.message, 0, 0, 0, 0)
        segment, at, pointer = found
        data, pointers = pointer >> 32 & 0xFFFF, pointer >> 48
        self.message.take(segment, at, data + pointers, data + pointers + 1)
        return Struct(self.message, segment, 8 * at, 8 * data, pointers)

    def structs(self, index: int) -> list[Struct]:
        """The elements of a list of structs."""
        found = self._named(index, 1)
        if found is None:
            return []
        segment, at, pointer = found
        words, tag = pointer >> 35, self.message.word(segment, at)
        count, data, pointers = tag >> 2 & 0x3FFFFFFF, tag >> 32 & 0xFFFF, tag >> 48
        if pointer >> 32 & 7 != 7 or tag & 3 != 0 or count * (data + pointers) > words:
            raise CanvasError("message: not a list of structs")
        self.message.take(segment, at, 1 + words, 1 + words + count)
        return [Struct(self.message, segment, 8 * (at + 1 + i * (data + pointers)), 8 * data,
                       pointers) for i in range(count)]

    def texts(self, index: int) -> list[bytes]:
        """The elements of a list of texts."""
        found = self._named(index, 1)
        if found is None:
            return []
        segment, at, pointer = found
        count = pointer >> 35
        if pointer >> 32 & 7 != 6:
            raise CanvasError("message: not a list of texts")
        self.message.take(segment, at, count, count)
        # A list of pointers lies as a struct that has nothing else.
        them = Struct(self.message, segment, 8 * at, 0, count)
        return [them.text(i) for i in range(count)]

    def text(self, index: int) -> bytes:
        """A text's bytes, without the zero behind it."""
        found = self._named(index, 1)
        if found is None:
            return b""
        segment, at, pointer = found
        count = pointer >> 35
        self.message.take(segment, at, (count + 7) // 8, count // 8 + 1)
        data = self.message.segments[segment][8 * at:8 * at + count]
        if pointer >> 32 & 7 != 2 or data[-1:] != b"\0":
            raise CanvasError("message: not a text")
        return data[:-1]
