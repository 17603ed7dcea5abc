"""Prints the events of a MIDI file as python3-mido finds them: track, tick and bytes of each.

Meta events without the length, SysEx as F0 and its data: as smf_songs_test prints them.
With --write the file as mido writes it.
"""

import sys

import mido


def event_bytes(message):
    data = bytes(message.bin())
    if not message.is_meta:
        return data  # of a SysEx with the F7 that ends it
    if message.type == "unknown_meta":
        return bytes([0xFF, message.type_byte]) + bytes(message.data)
    at = 2
    while data[at] & 0x80:
        at += 1
    return data[:2] + data[at + 1:]


def main():
    # Latin-1 keeps every byte of a text.
    song = mido.MidiFile(sys.argv[1], charset="latin1")
    if "--write" in sys.argv:
        song.save(file=sys.stdout.buffer)
        return
    division = song.ticks_per_beat
    lines = ["%d %d" % (song.type, division & 0xFFFF)]
    for index, track in enumerate(song.tracks):
        tick = 0
        for message in track:
            tick += message.time
            lines.append("%d %d %s" % (index, tick, event_bytes(message).hex()))
    sys.stdout.write("\n".join(lines) + "\n")


main()
