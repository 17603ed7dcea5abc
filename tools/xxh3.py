"""XXH3-64 in plain Python: the checksum of canvas files (and little-endian words, which it is made of).

Written from the algorithm's description, for tools/read_canvas.py; the library uses xxHash.
"""

import struct

MASK = 2**64 - 1

P32 = (0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D)
P64 = (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63,
       0x27D4EB2F165667C5)
SECRET = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671f"
    "cb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c"
    "3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8"
    "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364"
    "eac5ac8334d3ebc3c581a0fffa1363eb170ddd51b7f0da49d316552629d4689e"
    "2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e")


def u32_at(data: bytes, at: int) -> int:
    """The little-endian u32 at an offset."""
    return int.from_bytes(data[at:at + 4], "little")


def u64_at(data: bytes, at: int) -> int:
    """The little-endian u64 at an offset."""
    return int.from_bytes(data[at:at + 8], "little")


def _fold(a: int, b: int) -> int:
    product = a * b
    return (product & MASK) ^ (product >> 64)


def _avalanche(h: int) -> int:
    h = (h ^ h >> 37) * 0x165667919E3779F9 & MASK
    return h ^ h >> 32


def _avalanche64(h: int) -> int:
    h = (h ^ h >> 33) * P64[1] & MASK
    h = (h ^ h >> 29) * P64[2] & MASK
    return h ^ h >> 32


def _xxh3_short(data: bytes, seed: int) -> int:
    """Up to 16 bytes."""
    n = len(data)
    if n == 0:
        return _avalanche64(seed ^ u64_at(SECRET, 56) ^ u64_at(SECRET, 64))
    if n <= 3:
        word = data[0] << 16 | data[n >> 1] << 24 | data[-1] | n << 8
        return _avalanche64(word ^ (u32_at(SECRET, 0) ^ u32_at(SECRET, 4)) + seed & MASK)
    if n <= 8:
        seed ^= int.from_bytes((seed & 0xFFFFFFFF).to_bytes(4, "little"), "big") << 32
        flip = (u64_at(SECRET, 8) ^ u64_at(SECRET, 16)) - seed & MASK
        h = u32_at(data, n - 4) + (u32_at(data, 0) << 32) ^ flip
        h ^= (h << 49 | h >> 15) & MASK ^ (h << 24 | h >> 40) & MASK
        h = h * 0x9FB21C651E98DF25 & MASK
        h = (h ^ (h >> 35) + n) * 0x9FB21C651E98DF25 & MASK
        return h ^ h >> 28
    low = u64_at(data, 0) ^ (u64_at(SECRET, 24) ^ u64_at(SECRET, 32)) + seed & MASK
    high = u64_at(data, n - 8) ^ (u64_at(SECRET, 40) ^ u64_at(SECRET, 48)) - seed & MASK
    swapped = int.from_bytes(low.to_bytes(8, "little"), "big")
    return _avalanche(n + swapped + high + _fold(low, high) & MASK)


def _xxh3_middle(data: bytes, seed: int) -> int:
    """17 to 240 bytes."""
    def mix(at: int, key: int) -> int:
        return _fold(u64_at(data, at) ^ u64_at(SECRET, key) + seed & MASK,
                     u64_at(data, at + 8) ^ u64_at(SECRET, key + 8) - seed & MASK)

    n = len(data)
    h = n * P64[0]
    if n <= 128:
        for i in range((n - 1) // 32 + 1):
            h += mix(16 * i, 32 * i) + mix(n - 16 * (i + 1), 32 * i + 16)
        return _avalanche(h & MASK)
    for i in range(8):
        h += mix(16 * i, 16 * i)
    h = _avalanche(h & MASK)
    for i in range(8, n // 16):
        h += mix(16 * i, 16 * (i - 8) + 3)
    return _avalanche(h + mix(n - 16, 119) & MASK)


def xxh3(data: bytes, seed: int = 0) -> int:
    """XXH3-64 of the bytes, with the default secret and a seed."""
    n = len(data)
    if n <= 240:
        return (_xxh3_short if n <= 16 else _xxh3_middle)(data, seed)
    words = struct.unpack("<24Q", SECRET)
    secret = struct.pack("<24Q", *((word + (-seed if i & 1 else seed)) & MASK
                                   for i, word in enumerate(words)))
    acc = [P32[2], *P64[:4], P32[1], P64[4], P32[0]]
    keys = [struct.unpack_from("<8Q", secret, 8 * i) for i in range(17)]

    def accumulate(at: int, key: tuple[int, ...]) -> None:
        for i, value in enumerate(struct.unpack_from("<8Q", data, at)):
            keyed = value ^ key[i]
            acc[i ^ 1] += value
            acc[i] += (keyed & 0xFFFFFFFF) * (keyed >> 32)

    stripes = (n - 1) // 64
    for stripe in range(stripes):
        accumulate(64 * stripe, keys[stripe % 16])
        if stripe % 16 == 15:
            for i, value in enumerate(acc):
                value &= MASK
                acc[i] = (value ^ value >> 47 ^ keys[16][i]) * P32[0] & MASK
    accumulate(n - 64, struct.unpack_from("<8Q", secret, 121))
    h = n * P64[0]
    for i in range(0, 8, 2):
        h += _fold(acc[i] & MASK ^ u64_at(secret, 11 + 8 * i),
                   acc[i + 1] & MASK ^ u64_at(secret, 19 + 8 * i))
    return _avalanche(h & MASK)
