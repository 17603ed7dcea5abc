#!/usr/bin/env python3
"""Reads canvas files: a second reader, written from FORMAT.md and the schemas alone.

    read_canvas.py info FILE                     what the file is, and its lanes
    read_canvas.py ranges FILE LANE              written stretches: first frame, end frame
    read_canvas.py extract FILE LANE --out X.f32 [--from F --to F]
                                                 raw interleaved float32, unwritten frames zero

LANE is a name or an id. tools/check_canvas.py verifies what can be verified. Nothing is mapped, and
nothing is written into the canvas. The versions are looked at again after each copy, so that a
canvas in use can be read too.
"""

from __future__ import annotations

import argparse
import math
import os
import struct
import sys
import time
import uuid
from collections import namedtuple
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

from capnp_message import CanvasError, Message, Struct
from xxh3 import MASK, u64_at, xxh3

CONTROL, OWNERS, INDEX, HEADER_PLACES = 8 << 10, 64 << 10, 2 << 20, 10 << 20  # offsets
INDEX_PAGES = 2**20
READY = 1  # of a part's life
WIDE, SMALL = 0, 1
KINDS = ("unknown", "audio", "signal", "midi", "records", "bus")
RETRIES = 200
CHUNK = 4 << 20


# Superblock.

WORD_OFFSETS = (
    0, 128, 256, 384, 512, 640, 768, 776, 784, 1024, 1280,  # control words
    0, 8, 16, 64, 0, 128, 256, 512, 1024, 0, 8, 16,  # an editor, page control, a latent entry
    0, 8, 128, 136, 256, 384, 512, 520, 528, 640, 128,  # slot control, a durable record's bytes
    0, 8, 16, 24, 32, 40, 64, 72, 80, 88, 96, 128, 64)  # an owner, a place's header


def up(value: int, unit: int) -> int:
    """The value, rounded up to a multiple of the unit."""
    return -(-value // unit) * unit


class Superblock(namedtuple("Superblock", (
        "magic order major minor incompatible read_only compatible fingerprint uuid created "
        "rate_num rate_den page_seconds wide_slots small_slots block_bytes extent_bytes "
        "header_places header_place_bytes page_meta_places page_meta_place_bytes "
        "slot_align_bytes wide_slot_bytes small_slot_bytes index_pages capacity tables"))):
    """What the superblock says; `tables` are (offset, stride) in the order of TABLES."""

    def page_start(self, page: int) -> int:
        """Where a page begins."""
        return self.tables[4][0] + page * self.tables[4][1]

    def slot_bytes(self, kind: int) -> int:
        """Of one slot of the kind."""
        return self.small_slot_bytes if kind == SMALL else self.wide_slot_bytes

    def slots(self, kind: int) -> int:
        """How many slots of the kind a page has."""
        return self.small_slots if kind == SMALL else self.wide_slots

    def words(self, kind: int) -> int:
        """Version words of one slot of the kind."""
        return up(-(-self.slot_bytes(kind) // self.block_bytes), 16)

    def computed_tables(self) -> tuple[tuple[int, int], ...]:
        """The tables as the numbers above them ask."""
        unit = max(self.extent_bytes, self.slot_align_bytes)
        slots = self.wide_slots + self.small_slots
        wide, small = self.words(WIDE), self.words(SMALL)
        wide_slots, small_slots = self.wide_slots, self.small_slots
        rows = [(4096, 4096, 1), (4096, 64, 1024), (4096, 1024, slots)]
        for entry in (8, 16, 16):  # a row's small table follows its wide one without a gap
            rows += [(4096, wide * entry, wide_slots), (1, small * entry, small_slots)]
        rows += [(4096, self.block_bytes, slots),
                 (4096, self.page_meta_place_bytes, self.page_meta_places),
                 (unit, self.wide_slot_bytes, wide_slots),
                 (4096, self.small_slot_bytes, small_slots)]
        inside, end = [], 0
        for align, stride, count in rows:
            inside.append((up(end, align), stride))
            end = up(end, align) + stride * count
        stride = up(up(end, 4096) + 4096, unit)
        pages = up(HEADER_PLACES + self.header_places * self.header_place_bytes, unit)
        return ((CONTROL, 8192), (OWNERS, 256), (INDEX, 8),
                (HEADER_PLACES, self.header_place_bytes), (pages, stride), *inside,
                (stride - 4096, 4096))

    def range_faults(self) -> Iterator[str]:
        """Fields that are out of the range the format gives them."""
        wide, small = self.slot_align_bytes, self.slot_align_bytes
        wide, small = max(wide, self.extent_bytes), max(small, self.block_bytes)
        for name, low, high, unit in (
                ("rate_num", 1, 2**32 - 1, 1), ("rate_den", 1, 2**32 - 1, 1),
                ("page_seconds", 1, 3600, 1), ("wide_slots", 1, 1024, 1),
                ("small_slots", 0, 3072, 1), ("block_bytes", 512, 1 << 20, 0),
                ("extent_bytes", max(4096, self.block_bytes), 64 << 20, 0),
                ("slot_align_bytes", 4096, 64 << 20, 0), ("header_places", 4, 64, 1),
                ("header_place_bytes", 4096, 64 << 20, 4096), ("page_meta_places", 4, 64, 1),
                ("page_meta_place_bytes", 4096, 64 << 20, 4096),
                ("wide_slot_bytes", 1, 2**36, wide), ("small_slot_bytes", 0, 2**36, small),
                ("index_pages", INDEX_PAGES, INDEX_PAGES, 1), ("capacity", 1, INDEX_PAGES, 1)):
            value = getattr(self, name)
            if not low <= value <= high or (value % unit if unit else value.bit_count() != 1):
                yield f"{name} is {value}"
                return
        if math.gcd(self.rate_num, self.rate_den) != 1:
            yield "the rate is not in lowest terms"
        pages, stride = self.computed_tables()[4]
        if pages + self.capacity * stride > 2**58:
            yield "pages end beyond 2^58"


def decode_superblock(raw: bytes) -> Superblock:
    """One copy of the superblock, verified."""
    if raw[:8] != b"\x89CNV\r\n\x1a\n":
        raise CanvasError("not a canvas: the magic is another")
    if len(raw) < 4096:
        raise CanvasError("truncated in the superblock")
    block = Superblock(*struct.unpack_from("<8sIHHQQQQ16sqQQ10I4Q", raw),
                       tables=tuple(struct.iter_unpack("<QQ", raw[160:464])))
    if block.order != 0x01020304:
        raise CanvasError("superblock: the byte order is another")
    if block.major != 1:
        raise CanvasError(f"superblock: format version {block.major} is not known")
    if xxh3(raw[:4088]) != u64_at(raw, 4088):
        raise CanvasError("superblock: the checksum is wrong")
    if block.incompatible:
        raise CanvasError(f"superblock: unknown incompatible features {block.incompatible:#x}")
    if not (block.read_only or block.compatible) and any(raw[464:4088]):
        raise CanvasError("superblock: the reserve is not zero")
    for fault in block.range_faults():
        raise CanvasError(f"superblock: {fault}")
    for i, (said, computed) in enumerate(zip(block.tables, block.computed_tables())):
        if said != computed:
            raise CanvasError(f"superblock: table {i} is {said}, computed {computed}")
    if xxh3(raw[160:464] + struct.pack("<47Q", *WORD_OFFSETS)) != block.fingerprint:
        raise CanvasError("superblock: the layout fingerprint is another")
    return block


# Lanes and the header.

class Lane(NamedTuple):
    """A lane as the header has it, and what follows for its frames."""

    id: int
    name: bytes
    kind: int
    channels: int
    num: int
    den: int
    sample_format: int
    slot_kind: int
    first_slot: int
    slot_count: int
    frames_per_block: int
    block: Superblock

    @property
    def opaque(self) -> bool:
        """Whether this version of the format says nothing of the lane's bytes."""
        return self.kind not in (1, 2) or self.sample_format != 1

    @property
    def stride(self) -> int:
        """From block to block."""
        return self.frames_per_block * self.channels * 4

    @property
    def slot(self) -> int:
        """The slot number of its first slot."""
        return self.first_slot + (self.block.wide_slots if self.slot_kind == SMALL else 0)

    @property
    def label(self) -> str:
        """Its name, fit for a terminal."""
        return repr(self.name.decode("utf-8", "replace"))

    def page_of(self, frame: int) -> int:
        """The page in which a frame starts."""
        return frame * self.den // (self.num * self.block.page_seconds)

    def first_frame(self, page: int) -> int:
        """The first frame of a page."""
        return -(-page * self.block.page_seconds * self.num // self.den)

    def max_blocks(self) -> int:
        """Blocks of the fullest page."""
        return -(-self.first_frame(1) // self.frames_per_block)

    def needed_slots(self) -> int:
        """The fewest slots in a row that hold a page."""
        blocks, kind = self.max_blocks(), self.slot_kind
        return max(-(-blocks * self.stride // self.block.slot_bytes(kind)),
                   -(-blocks // self.block.words(kind)))


class Marker(NamedTuple):
    """A marker as the header has it; times are (numerator, denominator)."""

    id: int
    start: tuple[int, int]
    end: tuple[int, int]
    lane: int
    name: bytes
    color: int
    tags: tuple[bytes, ...]
    json: bytes


class Header(NamedTuple):
    """What the current snapshot says."""

    title: bytes = b""
    next_lane: int = 1
    lanes: tuple[Lane, ...] = ()
    next_tempo: int = 1
    tempo_maps: tuple[int, ...] = ()
    next_marker: int = 1
    markers: tuple[Marker, ...] = ()


def decode_header(message: bytes, block: Superblock) -> Header:
    """The header in a snapshot's message."""
    root = Struct(Message(message), 0, 0, 0, 1).struct(0)
    lanes = []
    for lane in root.structs(0):
        rate, channels = lane.struct(1), lane.uint(8, 4)
        frames = block.block_bytes // (channels * 4 or MASK)
        lanes.append(Lane(
            lane.uint(0, 4), lane.text(0), lane.uint(4, 2), channels, rate.uint(0, 8),
            rate.uint(8, 8, 1), lane.uint(6, 2), lane.uint(12, 2), lane.uint(16, 4),
            lane.uint(20, 4), frames - (frames & channels & 1), block))
    return Header(root.text(5), root.uint(0, 4, 1), tuple(lanes), root.uint(4, 4, 1),
                  tuple(tempo.uint(0, 4) for tempo in root.structs(1)), root.uint(8, 4, 1),
                  tuple(Marker(marker.uint(20, 4), (marker.uint(0, 8), marker.uint(8, 8, 1)),
                               (marker.uint(24, 8), marker.uint(32, 8, 1)), marker.uint(40, 4),
                               marker.text(0), marker.uint(16, 4), tuple(marker.texts(1)),
                               marker.text(2)) for marker in root.structs(2)))


def marker_faults(header: Header) -> Iterator[str]:
    """The rules that its markers break."""
    before, seen = (Fraction(-1), 0), set[int]()
    if len(header.markers) > 65536:
        yield f"{len(header.markers)} markers"
    for marker in header.markers:
        who = f"marker {marker.id}"
        if not 1 <= marker.id < header.next_marker or marker.id in seen:
            yield f"{who}: the id is another's, or was never given"
        seen.add(marker.id)
        if any(num >= 2**63 or not 1 <= den < 2**32 or math.gcd(num, den) != 1
               for num, den in (marker.start, marker.end)):
            yield f"{who}: its times are {marker.start} and {marker.end}"
            continue
        start, end = Fraction(*marker.start), Fraction(*marker.end)
        if end < start or (start, marker.id) <= before:
            yield f"{who}: times do not ascend"
        before = start, marker.id
        texts = (marker.name, marker.json, *marker.tags)
        if marker.color > 0xFFFFFF or len(marker.name) > 1024 or len(marker.json) > 65536 or (
                len(marker.tags) > 64 or not all(1 <= len(tag) <= 255 for tag in marker.tags)) or (
                any(text.decode("utf-8", "replace").encode() != text for text in texts)):
            yield f"{who}: a colour or text that cannot be"


def header_faults(header: Header, block: Superblock) -> Iterator[str]:
    """The rules that a header breaks."""
    for what, ids, end in (("lane", [lane.id for lane in header.lanes], header.next_lane),
                           ("tempo map", list(header.tempo_maps), header.next_tempo)):
        if any(a >= b for a, b in zip([0] + ids, ids + [end])):
            yield f"{what} ids {ids} do not ascend from 1 to below {end}"
    yield from marker_faults(header)
    if header.next_lane > 2**28:
        yield f"nextLaneId {header.next_lane} is above 2^28"
    taken: dict[tuple[int, int], int] = {}
    names: set[bytes] = set()
    for lane in header.lanes:
        who = f"lane {lane.id} {lane.label}"
        text = lane.name.decode("utf-8", "replace")
        if not 1 <= len(lane.name) <= 255 or text.encode() != lane.name or any(
                c < " " or "\x7f" <= c <= "\x9f" for c in text):
            yield f"{who}: not a lane's name"
        if lane.name in names:
            yield f"{who}: the name is another lane's too"
        names.add(lane.name)
        if lane.slot_kind not in (WIDE, SMALL) or lane.slot_count < 1 or (
                lane.first_slot + lane.slot_count > block.slots(lane.slot_kind)) or (
                lane.slot_kind == SMALL and lane.slot_count != 1):
            yield f"{who}: slots {lane.first_slot} + {lane.slot_count} are not inside the page"
            continue
        for slot in range(lane.slot, lane.slot + lane.slot_count):
            if taken.setdefault((0, slot), lane.id) != lane.id:
                yield f"{who}: slot {slot} is lane {taken[0, slot]}'s too"
        if lane.opaque:
            continue
        if not 1 <= lane.channels <= 1024 or lane.frames_per_block < 1:
            yield f"{who}: {lane.channels} channels"
        elif not (1 <= lane.num < 2**32 and 1 <= lane.den < 2**32) or (
                math.gcd(lane.num, lane.den) != 1):
            yield f"{who}: rate {lane.num} / {lane.den}"
        elif lane.needed_slots() != lane.slot_count:
            yield f"{who}: {lane.slot_count} slots, and needs {lane.needed_slots()}"


# The file.

class Part(NamedTuple):
    """Offsets of a lane's part of a page, its life when it was found, and its frames."""

    page: int
    control: int
    versions: int
    undo: int
    data: int
    life: int
    first: int
    frames: int


class Canvas:
    """An open canvas."""

    def __init__(self, path: str) -> None:
        self.file = os.open(path, os.O_RDONLY)
        copies: list[Superblock] = []
        self.notes: list[str] = []
        for at in (0, 4096):
            try:
                copies.append(decode_superblock(os.pread(self.file, 4096, at)))
            except CanvasError as error:
                self.notes.append(f"copy {at // 4096} of the {error}")
        if not copies:
            raise CanvasError(self.notes[0])
        self.block = copies[0]
        if copies[-1] != copies[0]:
            raise CanvasError("the two superblocks differ")
        size, wanted = self.size(), max(self.block.page_start(0), self.u64(CONTROL + 640))
        if size < wanted:
            raise CanvasError(f"truncated: {size} of {wanted} bytes are left")
        if self.u64(CONTROL + 768):
            raise CanvasError(f"unknown incompatible features {self.u64(CONTROL + 768):#x}")
        self.capacity = self.u64(CONTROL)
        if not self.block.capacity <= self.capacity <= INDEX_PAGES:
            raise CanvasError(f"capacity {self.capacity} is not in {self.block.capacity} to 2^20")

    def size(self) -> int:
        """The file's size by now."""
        return os.fstat(self.file).st_size

    def read(self, at: int, size: int) -> bytes:
        """Bytes of the file, all of them."""
        data = b""
        while len(data) < size:
            more = os.pread(self.file, size - len(data), at + len(data))
            if not more:
                raise CanvasError(f"truncated: the file ends at {at + len(data)}")
            data += more
        return data

    def words(self, at: int, count: int) -> tuple[int, ...]:
        """Some u64 of the file."""
        return struct.unpack(f"<{count}Q", self.read(at, 8 * count))

    def u64(self, at: int) -> int:
        """One u64 of the file."""
        return self.words(at, 1)[0]

    def snapshot(self, place: int) -> tuple[int, bytes]:
        """Generation and message of a header place; an error where it is not whole."""
        size = self.block.header_place_bytes
        if place >= self.block.header_places:
            raise CanvasError(f"there is no header place {place}")
        at = HEADER_PLACES + place * size
        magic, generation, length, checksum, *zero = self.words(at, 8)
        if magic != u64_at(b"CNVSNAP1", 0) or any(zero):
            raise CanvasError(f"no snapshot begins at header place {place}")
        if not 1 <= generation < 2**56 or length % 8 or not 8 <= length <= size - 64:
            raise CanvasError(f"header place {place}: generation {generation}, length {length}")
        message = self.read(at + 64, length)
        if xxh3(message, generation) != checksum:
            raise CanvasError(f"header place {place}: the checksum is wrong")
        return generation, message

    def header(self) -> Header:
        """The current header, not yet held against the rules."""
        for _ in range(RETRIES):
            root = self.u64(CONTROL + 128)
            if root == 0:
                return Header()
            try:
                generation, message = self.snapshot(root & 255)
                fault = "" if generation == root >> 8 else f"header place {root & 255} is generation"
                fault += f" {generation}, the root's is {root >> 8}" if fault else ""
            except CanvasError as error:
                fault = str(error)
            if self.u64(CONTROL + 128) == root:
                break
        else:
            raise CanvasError("the header root does not rest")
        if fault:
            wholes = []
            for place in set(range(self.block.header_places)) - {root & 255}:
                try:
                    wholes.append(self.snapshot(place))
                except CanvasError:
                    pass
            if not wholes:
                raise CanvasError(f"no header is whole: {fault}")
            generation, message = max(wholes)
            self.notes.append(f"{fault}; took generation {generation} instead")
        return decode_header(message, self.block)

    def lane(self, wanted: str) -> Lane:
        """A lane of frames by name, or by id."""
        header = self.header()
        for fault in header_faults(header, self.block):
            raise CanvasError(f"header: {fault}")
        for lane in sorted(header.lanes, key=lambda lane: lane.name != wanted.encode()):
            if lane.name == wanted.encode() or str(lane.id) == wanted:
                if lane.opaque:
                    raise CanvasError(f"lane {lane.label} is opaque: no frames are known of it")
                return lane
        raise CanvasError(f"there is no lane {wanted!r}")

    def pages(self, first: int = 0, end: int = INDEX_PAGES) -> Iterator[int]:
        """The pages that may be looked at."""
        bits = self.read(CONTROL + 1024, 256)
        end = min(end, self.capacity, (self.size() - self.block.page_start(0))
                  // self.block.tables[4][1])
        for chunk in range(first // 512, -(-end // 512)):
            if bits[chunk // 8] >> chunk % 8 & 1:
                for i, word in enumerate(self.words(INDEX + 4096 * chunk, 512)):
                    page = 512 * chunk + i
                    if word == 1 and first <= page < end and (
                            self.u64(self.block.page_start(page) + 256) == page + 1):
                        yield page

    def part(self, lane: Lane, page: int) -> Part | None:
        """The lane's part of a page that may be looked at."""
        tables, start, small = self.block.tables, self.block.page_start(page), lane.slot_kind
        control = start + tables[7][0] + 1024 * lane.slot
        if not self.u64(start + 512 + lane.slot // 64 * 8) >> lane.slot % 64 & 1:
            return None
        owner, life = self.words(control, 2)
        if owner != lane.id or life & 3 != READY:
            return None
        first = lane.first_frame(page)
        return Part(page, control, start + tables[8 + small][0] + lane.first_slot
                    * tables[8 + small][1], start + tables[14][0] + lane.slot * tables[14][1],
                    start + tables[16 + small][0] + lane.first_slot * tables[16 + small][1],
                    life, first, lane.first_frame(page + 1) - first)

    def stretches(self, lane: Lane, part: Part) -> Iterator[tuple[int, int]]:
        """The written stretches of a part, in its frames."""
        high = min(self.u64(part.control + 128), part.frames)
        low = self.u64(part.control + 136)
        if low >= high:
            return
        first, end = low // lane.frames_per_block, -(-high // lane.frames_per_block)
        versions = self.words(part.versions + 8 * first, end - first)
        start = -1
        for i, version in enumerate((*versions, 0)):
            if version & 1 and start < 0:
                start = i
            elif not version & 1 and start >= 0:
                yield (max(low, (first + start) * lane.frames_per_block),
                       min(high, (first + i) * lane.frames_per_block))
                start = -1

    def blocks(self, lane: Lane, part: Part, block: int, count: int) -> bytes:
        """The bytes of some blocks; of one that is left changing, those of the undo place."""
        versions, at = part.versions + 8 * block, part.data + block * lane.stride
        before = self.words(versions, count)
        data = self.read(at, count * lane.stride)
        if before == self.words(versions, count) and not any(word & 2 for word in before):
            return data
        if count > 1:
            return b"".join(self.blocks(lane, part, block + i, 1) for i in range(count))
        for _ in range(RETRIES):
            version, undo = self.u64(versions), self.u64(part.control + 512)
            data = self.read(part.undo if version & 2 else at, lane.stride)
            if self.u64(versions) == version and (undo == block + 1 or not version & 2):
                return data
            time.sleep(0.001)
        raise CanvasError(f"page {part.page}: block {block} of lane {lane.label} is torn")

    def ranges(self, lane: Lane) -> Iterator[tuple[int, int]]:
        """The written stretches of a lane, in its frames, merged where they touch."""
        start = end = 0
        for page in self.pages():
            part = self.part(lane, page)
            for first, stop in self.stretches(lane, part) if part else ():
                if part.first + first != end:
                    if start < end:
                        yield start, end
                    start = part.first + first
                end = part.first + stop
        if start < end:
            yield start, end

    def extract(self, lane: Lane, start: int, end: int, path: str) -> None:
        """Writes frames of a lane to a file; what is unwritten stays a hole, which is zeros."""
        size = lane.channels * 4
        with open(path, "wb") as out:
            for page in self.pages(lane.page_of(start), lane.page_of(end - 1) + 1):
                part = self.part(lane, page)
                for first, stop in self.stretches(lane, part) if part else ():
                    first, stop = max(first, start - part.first), min(stop, end - part.first)
                    while first < stop:
                        block = first // lane.frames_per_block
                        count = min(max(1, CHUNK // lane.stride),
                                    -(-stop // lane.frames_per_block) - block)
                        skip = first - block * lane.frames_per_block
                        data = self.blocks(lane, part, block, count)
                        frames = min(stop - first, count * lane.frames_per_block - skip)
                        out.seek((part.first + first - start) * size)
                        out.write(data[skip * size:(skip + frames) * size])
                        first += frames
                if part and self.u64(part.control + 8) != part.life:
                    raise CanvasError(f"page {page}: the part was removed while it was read")
            out.truncate((end - start) * size)


def info(path: str) -> None:
    """Prints what a canvas is."""
    canvas = Canvas(path)
    block, header = canvas.block, canvas.header()
    for fault in header_faults(header, block):
        raise CanvasError(f"header: {fault}")
    print(f"canvas {uuid.UUID(bytes=block.uuid)}, format {block.major}.{block.minor}, "
          f"created {time.strftime('%FT%TZ', time.gmtime(block.created // 10**9))}\n"
          f"pages of {block.page_seconds} s, {block.tables[4][1]} B; capacity {canvas.capacity}, "
          f"ready {sum(1 for _ in canvas.pages())}\n"
          f"slots: {block.wide_slots} wide of {block.wide_slot_bytes} B, {block.small_slots} "
          f"small of {block.small_slot_bytes} B; blocks of {block.block_bytes} B")
    for lane in header.lanes:
        kind = KINDS[lane.kind] if lane.kind < len(KINDS) else f"kind {lane.kind}"
        print(f"lane {lane.id} {lane.label}: {kind}, {lane.channels} channels, {lane.num}"
              f"{f'/{lane.den}' if lane.den != 1 else ''} Hz, {('wide', 'small')[lane.slot_kind]} "
              f"slots {lane.first_slot} to {lane.first_slot + lane.slot_count - 1}"
              f"{', opaque' if lane.opaque else ''}")
    for mark in header.markers:
        start, end = ("/".join(map(str, when)) for when in (mark.start, mark.end))
        print(f"marker {mark.id}: {start} to {end} s, lane {mark.lane}, {mark.color:06x}, "
              f"{b','.join(mark.tags).decode()}, {mark.json.decode()}, {mark.name.decode()}")
    for note in canvas.notes:
        print(f"note: {note}")


def run(arguments: argparse.Namespace) -> int:
    """Does what the command line asks."""
    if arguments.command == "info":
        info(arguments.file)
    else:
        canvas = Canvas(arguments.file)
        lane = canvas.lane(arguments.lane)
        ranges = canvas.ranges(lane)
        if arguments.command == "ranges":
            for first, end in ranges:
                print(first, end)
            return 0
        start, end = arguments.first, arguments.end
        if start is None or end is None:
            written = list(ranges) or [(0, 0)]
            start = written[0][0] if start is None else start
            end = written[-1][1] if end is None else end
        if not 0 <= start <= end <= lane.first_frame(canvas.capacity):
            raise CanvasError(f"frames {start} to {end} are not a stretch of the timeline")
        canvas.extract(lane, start, end, arguments.out)
    return 0


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Reads canvas files.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("info", "ranges", "extract"):
        command = commands.add_parser(name)
        command.add_argument("file")
        if name in ("ranges", "extract"):
            command.add_argument("lane")
        if name == "extract":
            command.add_argument("--out", required=True)
            command.add_argument("--from", dest="first", type=int)
            command.add_argument("--to", dest="end", type=int)
    arguments = parser.parse_args()
    try:
        return run(arguments)
    except (CanvasError, OSError) as error:
        print(f"read_canvas.py: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
