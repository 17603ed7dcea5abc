#!/usr/bin/env python3
"""Verifies whatever FORMAT.md says that can be verified of a canvas at rest.

    check_canvas.py FILE        findings, and status 1 if there is any; notes of what a death left

A second opinion beside `canvas check`: it knows the format by tools/read_canvas.py alone.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator

from capnp_message import CanvasError
from read_canvas import CONTROL, INDEX, OWNERS, READY, Canvas, Header, Lane, Part, header_faults
from xxh3 import u64_at, xxh3


def check_control(canvas: Canvas) -> Iterator[str]:
    """Control words, header places, index and owners against the rules."""
    block, data = canvas.block, bytearray(canvas.read(CONTROL, 8192))
    root, durable, entries = u64_at(data, 128), u64_at(data, 256), u64_at(data, 512)
    for name, word in (("header root", root), ("durable header root", durable)):
        if word and (word < 256 or word & 255 >= block.header_places):
            yield f"the {name} is {word:#x}"
    if durable >> 8 > root >> 8:
        yield f"the durable header root {durable:#x} is newer than the root {root:#x}"
    if entries > 4096:
        yield f"{entries} owner entries, at most 4096 can be"
    for at, size in ((0, 8), (128, 8), (256, 8), (384, 4), (512, 8), (640, 8), (776, 16),
                     (1024, 256), (1280, 24), (1344, 64)):
        data[at:at + size] = bytes(size)
    if any(data):
        yield "control words that have no name are not zero"
    generations: dict[int, int] = {}
    for place in range(block.header_places):
        try:
            generation = canvas.snapshot(place)[0]
            if generations.setdefault(generation, place) != place:
                yield f"places {generations[generation]} and {place}: generation {generation}"
        except CanvasError as error:
            if "no snapshot" not in str(error):
                canvas.notes.append(str(error))
    bits = canvas.read(CONTROL + 1024, 256)
    for chunk in range(2048):
        data = canvas.read(INDEX + 4096 * chunk, 4096)
        if data.count(0) == 4096:
            continue
        if not bits[chunk // 8] >> chunk % 8 & 1:
            yield f"index chunk {chunk} has words and no bit"
        for page, word in enumerate(struct.unpack("<512Q", data), 512 * chunk):
            if word > 1 or word and page >= canvas.capacity:
                yield f"the index word of page {page} is {word}"
            elif word and block.page_start(page + 1) > canvas.size():
                canvas.notes.append(f"page {page} is absent: the file ends before it does")
    for entry in range(min(entries, 4096)):
        data = canvas.read(OWNERS + 256 * entry, 256)
        if u64_at(data, 0) and (u64_at(data, 8) >= u64_at(data, 16) or u64_at(data, 64) > 2):
            yield f"owner entry {entry} has no pages, or an unknown intent"


def check_page(canvas: Canvas, page: int, header: Header) -> Iterator[str]:
    """The page's own words, and every slot's."""
    block, start = canvas.block, canvas.block.page_start(page)
    data = canvas.read(start, 4096)
    if u64_at(data, 256) != page + 1:
        yield f"page number + 1 is {u64_at(data, 256)}"
    if u64_at(data, 0) or u64_at(data, 128) or any(data[1024:1152]):
        yield "page metadata, which nothing writes yet"
    slots = int.from_bytes(data[512:1024], "little")
    if slots >> (block.wide_slots + block.small_slots):
        yield "slot bits beyond the slots"
    for slot in range(block.wide_slots + block.small_slots):
        data = canvas.read(start + block.tables[7][0] + 1024 * slot, 1024)
        if not slots >> slot & 1:
            continue
        owner, life = u64_at(data, 0), u64_at(data, 8)
        lane = next((lane for lane in header.lanes if lane.id == owner), None)
        if life & 3 == 3 or owner >= header.next_lane or (owner == 0) != (life == 0):
            yield f"slot {slot}: lane id {owner}, life {life}"
        elif life & 3 == READY and lane and lane.slot != slot:
            yield f"slot {slot}: a part of lane {owner}, which has slot {lane.slot}"
        if any(data[640:896]):
            yield f"slot {slot}: durable records, which nothing writes yet"
    for lane in header.lanes:
        part = None if lane.opaque else canvas.part(lane, page)
        for fault in check_part(canvas, lane, part) if part else ():
            yield f"lane {lane.id} {lane.label}: {fault}"


def check_part(canvas: Canvas, lane: Lane, part: Part) -> Iterator[str]:
    """The words of a lane's part of a page."""
    high, low = canvas.words(part.control + 128, 2)
    undo, old, checksum = canvas.words(part.control + 512, 3)
    per, count = lane.frames_per_block, canvas.block.words(lane.slot_kind) * lane.slot_count
    versions = canvas.words(part.versions, count)
    if high > part.frames or high and low >= high:
        yield f"frames {low} to {high} of {part.frames}"
    if canvas.u64(part.control + 256) & 1:
        canvas.notes.append(f"page {part.page}: an overwrite of lane {lane.id} did not end")
    if undo > lane.max_blocks():
        yield f"undo of block {undo - 1} of {lane.max_blocks()}"
    for block, word in enumerate(versions):
        if word == 1 or word & 3 and block * per >= part.frames:
            yield f"the version of block {block} is {word:#x}"
        elif word & 3 == 1 and not (low < (block + 1) * per and block * per < high):
            yield f"block {block} is written, outside frames {low} to {high}"
        elif word & 2 and undo != block + 1:
            yield f"block {block} is torn: it is changing, and the undo place has another"
        elif word & 2 and (xxh3(canvas.read(part.undo, lane.stride)) != checksum or old & 2):
            yield f"block {block} is changing, and its undo's words are wrong"


def check(path: str) -> Iterator[str]:
    """All findings of a file."""
    canvas = Canvas(path)
    yield from canvas.notes
    canvas.notes.clear()
    yield from check_control(canvas)
    header = canvas.header()
    yield from (f"header: {fault}" for fault in header_faults(header, canvas.block))
    for page in canvas.pages():
        yield from (f"page {page}: {fault}" for fault in check_page(canvas, page, header))
    for note in canvas.notes:
        print(f"note: {note}")


def main() -> int:
    """The command line."""
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    found = 0
    try:
        for finding in check(sys.argv[1]):
            print(finding)
            found += 1
    except (CanvasError, OSError) as error:
        print(f"check_canvas.py: {error}", file=sys.stderr)
        return 1
    return int(found > 0)


if __name__ == "__main__":
    sys.exit(main())
