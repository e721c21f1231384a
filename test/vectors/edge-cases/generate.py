#!/usr/bin/env python3
"""Writes the edge cases of this folder, in the style of Project Wycheproof: what implementations of each function
have got wrong before, as bytes and the result that is right.

The bytes come from implementations that Orthrus does not use: libsodium for both AEADs, Python's hmac and hashlib for
HMAC and scrypt, pyca/cryptography for HKDF. It takes libsodium (Debian: libsodium23) and python3-cryptography:

    python3 test/vectors/edge-cases/generate.py

It always writes the same bytes: whatever looks random is drawn from SHAKE-256 of a fixed text.
"""

import json
import unicodedata
from ctypes import CDLL, c_ulonglong, create_string_buffer, util
from hashlib import scrypt, sha256, shake_256
from hmac import digest
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

FOLDER = Path(__file__).parent
SODIUM = CDLL(util.find_library("sodium") or "libsodium.so.23")
ZERO, ONES = b"\x00", b"\xff"


class Draw:
    """Bytes that look random and are the same each time."""

    def __init__(self, name):
        self.name, self.count = name, 0

    def __call__(self, size):
        self.count += 1
        return shake_256(f"orthrus edge cases {self.name} {self.count}".encode()).digest(size)


def write(name, note, cases):
    lines = ",\n".join("  " + json.dumps(case, ensure_ascii=True) for case in cases)
    (FOLDER / f"{name}.json").write_text(f'{{\n "note": {json.dumps(note)},\n "cases": [\n{lines}\n ]\n}}\n')
    print(f"{name}: {len(cases)} cases")


# --- the two AEADs ---------------------------------------------------------------------------------------------------

P = 2**130 - 5
HIGH = 2**128


class Aead:
    """One of libsodium's two ciphers, and a look at what goes on inside."""

    def __init__(self, name, nonce_size, encrypt):
        self.name, self.nonce_size = name, nonce_size
        self.encrypt = getattr(SODIUM, encrypt)
        self.draw = Draw(name)

    def seal(self, key, nonce, aad, msg):
        out = create_string_buffer(len(msg) + 16)
        self.encrypt(out, None, msg, c_ulonglong(len(msg)), aad, c_ulonglong(len(aad)), None, nonce, key)
        return out.raw[: len(msg)], out.raw[len(msg) :]

    def stream(self, key, nonce, size):
        """The key stream, from block 0 on."""
        if self.nonce_size == 24:
            inner = create_string_buffer(32)
            SODIUM.crypto_core_hchacha20(inner, nonce[:16], key, None)
            key, nonce = inner.raw, bytes(4) + nonce[16:]
        out = create_string_buffer(size)
        SODIUM.crypto_stream_chacha20_ietf(out, c_ulonglong(size), nonce, key)
        return out.raw

    def one_time_key(self, key, nonce):
        block = self.stream(key, nonce, 32)
        r = int.from_bytes(block[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
        return r, int.from_bytes(block[16:], "little")


def valid(aead, comment, flag, key, nonce, aad, msg):
    ct, tag = aead.seal(key, nonce, aad, msg)
    return case(comment, flag, key, nonce, aad, msg, ct, tag, "valid")


def invalid(comment, flag, key, nonce, aad, msg, ct, tag):
    return case(comment, flag, key, nonce, aad, msg, ct, tag, "invalid")


def case(comment, flag, key, nonce, aad, msg, ct, tag, result):
    parts = {"key": key, "nonce": nonce, "aad": aad, "msg": msg, "ct": ct, "tag": tag}
    return {"comment": comment, "flags": [flag], **{k: v.hex() for k, v in parts.items()}, "result": result}


SIZES = [0, 1, 2, 7, 8, 15, 16, 17, 31, 32, 33, 47, 48, 49, 63, 64, 65, 127, 128, 129, 255, 256, 257, 512, 1025]
AAD_SIZES = [0, 1, 2, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 129, 257]


def lengths(aead):
    draw = aead.draw
    for i, size in enumerate(SIZES):
        aad = AAD_SIZES[(7 * i) % len(AAD_SIZES)]
        yield valid(aead, f"{size} bytes, {aad} of aad", "Pseudorandom", draw(32), draw(aead.nonce_size), draw(aad), draw(size))
    for i, aad in enumerate(AAD_SIZES):
        size = [0, 16, 5, 64][i % 4]
        yield valid(aead, f"{size} bytes, {aad} of aad", "Pseudorandom", draw(32), draw(aead.nonce_size), draw(aad), draw(size))
    yield valid(aead, "4,097 bytes", "LongMessage", draw(32), draw(aead.nonce_size), b"", draw(4097))


def special_inputs(aead):
    draw, n = aead.draw, aead.nonce_size
    nonces = {
        "zero": bytes(n),
        "all ones": ONES * n,
        "its last word 7fffffff": bytes(n - 4) + bytes.fromhex("ffffff7f"),
        "its last word all ones": bytes(n - 4) + ONES * 4,
        "its last two words all ones": bytes(n - 8) + ONES * 8,
        "its first word all ones": ONES * 4 + bytes(n - 4),
        "ascending": bytes(range(n)),
    }
    for comment, nonce in nonces.items():
        yield valid(aead, f"a nonce that is {comment}", "SpecialNonce", draw(32), nonce, draw(8), draw(33))
    for comment, key in {"zero": bytes(32), "all ones": ONES * 32, "ascending": bytes(range(32))}.items():
        yield valid(aead, f"a key that is {comment}", "SpecialKey", key, draw(n), draw(8), draw(33))
    yield valid(aead, "everything is zero", "SpecialKey", bytes(32), bytes(n), b"", bytes(64))


PATTERNS = ["00000000", "ffffffff", "00000000ffffffff", "ffffffff00000000", "00000080", "ffffff7f", "01000000"]


def ciphertexts(aead):
    """The ciphertext is what Poly1305 takes in: one that is all zero, all ones and so on."""
    for pattern in PATTERNS:
        for size in [16, 48, 128]:
            key, nonce = aead.draw(32), aead.draw(aead.nonce_size)
            ct = (bytes.fromhex(pattern) * size)[:size]
            yield for_ciphertext(aead, f"{size} bytes of ciphertext, {pattern} repeated", "EdgeCaseCiphertext", key, nonce, b"", ct)


def for_ciphertext(aead, comment, flag, key, nonce, aad, ct):
    stream = aead.stream(key, nonce, 64 + len(ct))[64:]
    msg = bytes(a ^ b for a, b in zip(ct, stream))
    result = valid(aead, comment, flag, key, nonce, aad, msg)
    assert result["ct"] == ct.hex()
    return result


def solve(aead, target_of, last):
    """A ciphertext of two blocks for which the accumulator of Poly1305 comes to `target_of(r, s)`: behind the second
    block, or at the end, behind the block of lengths."""
    key, nonce, aad = aead.draw(32), aead.draw(aead.nonce_size), aead.draw(16)
    r, s = aead.one_time_key(key, nonce)
    inverse = pow(r, -1, P)
    target = target_of(r, s) % P
    block = int.from_bytes((16).to_bytes(8, "little") + (32).to_bytes(8, "little"), "little") + HIGH
    if last:
        target = (target * inverse - block) % P
    while True:
        first = aead.draw(16)
        acc = (int.from_bytes(aad, "little") + HIGH) * r % P
        acc = (acc + int.from_bytes(first, "little") + HIGH) * r % P
        second = (target * inverse - acc - HIGH) % P
        if second < HIGH:
            return key, nonce, aad, first + second.to_bytes(16, "little")


ACCUMULATORS = {
    "0": 0, "1": 1, "2": 2, "3": 3, "4": 4, "5": 5,
    "2^130 - 6": P - 1, "2^130 - 7": P - 2, "2^130 - 10": P - 5,
    "2^128 - 1": HIGH - 1, "2^128": HIGH, "2^128 + 1": HIGH + 1, "2^129": 2**129, "2^129 - 1": 2**129 - 1,
    "2^130 - 2^128": 2**130 - HIGH, "3 * 2^128 - 1": 3 * HIGH - 1,
    "2^26 - 1": 2**26 - 1, "2^26": 2**26, "2^52 - 1": 2**52 - 1, "2^78 - 1": 2**78 - 1, "2^104 - 1": 2**104 - 1,
    "2^104": 2**104, "2^44 - 1": 2**44 - 1, "2^88 - 1": 2**88 - 1, "2^88": 2**88,
    "2^32 - 1": 2**32 - 1, "2^64 - 1": 2**64 - 1, "2^64": 2**64, "2^96 - 1": 2**96 - 1,
    "2^13 - 1": 2**13 - 1, "2^130 - 2^13": 2**130 - 2**13, "2^130 - 2^26": 2**130 - 2**26,
    "2^130 - 2^104": 2**130 - 2**104, "2^127": 2**127, "alternate bits": int("01" * 65, 2),
}  # fmt: skip


def accumulators(aead):
    for comment, value in ACCUMULATORS.items():
        for last, where in [(False, "on the way"), (True, "at the end")]:
            found = solve(aead, lambda r, s, value=value: value, last)
            yield for_ciphertext(aead, f"Poly1305 comes to {comment} {where}", "EdgeCasePoly1305", *found)


def tags(aead):
    """The tag is the accumulator plus s, modulo 2^128: with and without a carry out of it."""
    wanted = {"all zero": 0, "one": 1, "all ones": HIGH - 1, "2^127": 2**127, "2^127 - 1": 2**127 - 1,
              "2^32 - 1": 2**32 - 1, "2^64 - 1": 2**64 - 1, "2^96": 2**96}  # fmt: skip
    for comment, tag in wanted.items():
        for above in [1, 2]:
            found = solve(aead, lambda r, s, tag=tag, above=above: (tag - s) % HIGH + (above - 1) * HIGH, True)
            made = for_ciphertext(aead, f"the tag is {comment}", "EdgeCaseTag", *found)
            assert made["tag"] == tag.to_bytes(16, "little").hex()
            yield made


def one_time_keys(aead):
    """Nonces for which r or s, or one of the words of r, is about as small or as large as it can be."""
    key = aead.draw(32)
    size = aead.nonce_size
    parts = {"r": lambda r, s: r, "s": lambda r, s: s}
    for word in range(4):
        parts[f"word {word} of r"] = lambda r, s, word=word: (r >> (32 * word)) & 0xFFFFFFFF
    best = {}
    for count in range(150_000):
        nonce = count.to_bytes(size, "little")
        r, s = aead.one_time_key(key, nonce)
        for part, value_of in parts.items():
            value = value_of(r, s)
            for extreme, sign in [("small", 1), ("large", -1)]:
                known = best.get((part, extreme))
                if known is None or sign * value < known[0]:
                    best[part, extreme] = (sign * value, nonce)
    for (part, extreme), (_, nonce) in best.items():
        yield valid(aead, f"{part} is very {extreme}", "EdgeCasePolyKey", key, nonce, aead.draw(20), ONES * 65)


def altered(aead):
    key, nonce, aad, msg = aead.draw(32), aead.draw(aead.nonce_size), aead.draw(12), aead.draw(20)
    ct, tag = aead.seal(key, nonce, aad, msg)
    yield case("what the altered ones below are made of", "Pseudorandom", key, nonce, aad, msg, ct, tag, "valid")
    number = int.from_bytes(tag, "little")
    of_number = lambda value: (value % HIGH).to_bytes(16, "little")
    tags = {
        "all zero": bytes(16), "all ones": ONES * 16, "inverted": bytes(b ^ 255 for b in tag),
        "its high bits turned": bytes(b ^ 128 for b in tag), "backwards": tag[::-1],
        "one more": of_number(number + 1), "one less": of_number(number - 1),
        "5 more": of_number(number + 5), "its halves exchanged": tag[8:] + tag[:8],
        "that of the key stream": aead.stream(key, nonce, 32)[16:],
    }  # fmt: skip
    for comment, other in tags.items():
        yield invalid(f"a tag that is {comment}", "ModifiedTag", key, nonce, aad, msg, ct, other)
    for bit in [0, 1, 7, 8, 31, 32, 33, 63, 64, 71, 77, 80, 96, 97, 120, 121, 126, 127]:
        flipped = of_number(number ^ (1 << bit))
        yield invalid(f"bit {bit} of the tag flipped", "ModifiedTag", key, nonce, aad, msg, ct, flipped)
    for bits in [(0, 64), (31, 63), (63, 127), (0, 127)]:
        flipped = of_number(number ^ sum(1 << bit for bit in bits))
        yield invalid(f"bits {bits} of the tag flipped", "ModifiedTag", key, nonce, aad, msg, ct, flipped)
    for size in [0, 1, 4, 8, 12, 15]:
        yield invalid(f"a tag cut to {size} bytes", "TruncatedTag", key, nonce, aad, msg, ct, tag[:size])
    _, alone = aead.seal(key, nonce, aad, b"")
    for size in [0, 1, 4, 8, 12, 15]:
        yield invalid(f"no message, and a tag cut to {size} bytes", "TruncatedTag", key, nonce, aad, b"", b"", alone[:size])
    yield invalid("a tag with a byte more", "TruncatedTag", key, nonce, aad, msg, ct, tag + ZERO)
    yield invalid("a byte of aad moved to the ciphertext", "MovedBoundary", key, nonce, aad[:-1], msg, aad[-1:] + ct, tag)
    yield invalid("a byte of ciphertext moved to the aad", "MovedBoundary", key, nonce, aad + ct[:1], msg, ct[1:], tag)
    yield invalid("aad with a zero more", "ModifiedAad", key, nonce, aad + ZERO, msg, ct, tag)
    yield invalid("no aad", "ModifiedAad", key, nonce, b"", msg, ct, tag)
    yield invalid("ciphertext with a zero more", "ModifiedCiphertext", key, nonce, aad, msg, ct + ZERO, tag)
    yield invalid("no ciphertext", "ModifiedCiphertext", key, nonce, aad, msg, b"", tag)
    yield invalid("the message in clear", "ModifiedCiphertext", key, nonce, aad, msg, msg, tag)
    other = bytes([nonce[0] ^ 1]) + nonce[1:]
    yield invalid("another nonce, in its first bit", "ModifiedNonce", key, other, aad, msg, ct, tag)
    other = nonce[:-1] + bytes([nonce[-1] ^ 128])
    yield invalid("another nonce, in its last bit", "ModifiedNonce", key, other, aad, msg, ct, tag)
    other = bytes([key[0] ^ 1]) + key[1:]
    yield invalid("another key, in its first bit", "ModifiedKey", other, nonce, aad, msg, ct, tag)
    n = aead.nonce_size
    for size in [0, 1, 8, 12, n - 1, n + 1, 2 * n] if n == 24 else [0, 1, 8, n - 1, n + 1, 16, 24]:
        wrong = (nonce + bytes(n))[:size]
        yield invalid(f"a nonce of {size} bytes", "InvalidNonceSize", key, wrong, aad, msg, ct, tag)
    for size in [0, 16, 24, 31, 33, 64]:
        wrong = (key + bytes(32))[:size]
        yield invalid(f"a key of {size} bytes", "InvalidKeySize", wrong, nonce, aad, msg, ct, tag)


def aead_cases(aead):
    makers = [lengths, special_inputs, ciphertexts, accumulators, tags, one_time_keys, altered]
    return [made for maker in makers for made in maker(aead)]


# --- HMAC, HKDF, scrypt ----------------------------------------------------------------------------------------------


def hmac_cases():
    draw = Draw("hmac")

    def made(comment, flag, key, msg, tag=None, result="valid"):
        tag = digest(key, msg, "sha256") if tag is None else tag
        return {"comment": comment, "flags": [flag], "key": key.hex(), "msg": msg.hex(), "tag": tag.hex(), "result": result}

    key_sizes = [0, 1, 16, 31, 32, 33, 55, 56, 63, 64, 65, 66, 127, 128, 129, 300]
    msg_sizes = [0, 1, 31, 32, 33, 54, 55, 56, 57, 63, 64, 65, 118, 119, 120, 127, 128, 129, 191, 192, 193, 1000]
    for i, size in enumerate(msg_sizes):
        yield made(f"a message of {size} bytes", "Pseudorandom", draw(32), draw(size))
    for i, size in enumerate(key_sizes):
        yield made(f"a key of {size} bytes", "KeySize", draw(size), draw([0, 20, 64][i % 3]))
    # 4,032 is what is left of a page of 4 KiB beside the block of the key.
    for size in [4031, 4032, 4033]:
        yield made(f"a message of {size} bytes", "LongMessage", draw(32), draw(size))
    yield made("a key of 64 zeros is that of none", "KeySize", bytes(64), b"orthrus")
    yield made("no key", "KeySize", b"", b"orthrus")
    long = draw(65)
    yield made("a key over the block", "KeySize", long, b"orthrus")
    yield made("its digest as the key: the same", "KeySize", sha256(long).digest(), b"orthrus")
    for pad in ["36", "5c"]:
        yield made(f"a key of {pad}, which a pad cancels", "SpecialKey", bytes.fromhex(pad) * 64, draw(20))
    key, msg = draw(32), draw(40)
    tag = digest(key, msg, "sha256")
    yield made("what the altered ones below are made of", "Pseudorandom", key, msg)
    others = {
        "all zero": bytes(32), "all ones": ONES * 32, "inverted": bytes(b ^ 255 for b in tag),
        "backwards": tag[::-1], "that of no message": digest(key, b"", "sha256"),
        "the digest of key and message": sha256(key + msg).digest(),
        "the digest of the message": sha256(msg).digest(), "with a byte more": tag + ZERO,
        "twice": tag + tag, "its halves exchanged": tag[16:] + tag[:16],
    }  # fmt: skip
    for comment, other in others.items():
        yield made(f"a tag that is {comment}", "ModifiedTag", key, msg, other, "invalid")
    for bit in [0, 1, 7, 8, 31, 32, 63, 64, 71, 127, 128, 192, 248, 255]:
        other = (int.from_bytes(tag, "little") ^ (1 << bit)).to_bytes(32, "little")
        yield made(f"bit {bit} of the tag flipped", "ModifiedTag", key, msg, other, "invalid")
    for size in [0, 1, 4, 16, 20, 31]:
        yield made(f"a tag cut to {size} bytes", "TruncatedTag", key, msg, tag[:size], "invalid")
    yield made("a message with a zero more", "ModifiedMessage", key, msg + ZERO, tag, "invalid")
    yield made("a message cut by a byte", "ModifiedMessage", key, msg[:-1], tag, "invalid")
    yield made("a key with its last bit flipped", "ModifiedKey", key[:-1] + bytes([key[-1] ^ 1]), msg, tag, "invalid")


USAGES = ("as-req as-rep ticket chain auth tgs-req tgs-rep ap-req ap-rep error channel client-to-service "
          "service-to-client hand-off ratchet").split()  # fmt: skip


def hkdf_cases():
    draw = Draw("hkdf")
    keys = {"zero": bytes(32), "all ones": ONES * 32, "random": draw(32), "ascending": bytes(range(32))}
    for comment, key in keys.items():
        for usage in USAGES:
            info = b"orthrus/1 " + usage.encode()
            okm = HKDFExpand(SHA256(), 32, info).derive(key)
            yield {"comment": f"a key that is {comment}, for {usage}", "flags": ["Expand"], "key": key.hex(), "usage": usage, "okm": okm.hex(), "result": "valid"}  # fmt: skip

    def whole(comment, flag, ikm, salt, info, size):
        okm = HKDF(SHA256(), size, salt, info).derive(ikm)
        return {"comment": comment, "flags": [flag], "ikm": ikm.hex(), "salt": salt.hex(), "info": info.hex(), "size": size, "okm": okm.hex(), "result": "valid"}  # fmt: skip

    for size in [1, 2, 16, 20, 31, 32, 33, 63, 64, 65, 96, 100]:
        yield whole(f"{size} bytes out", "Normal", draw(32), draw(16), draw(10), size)
    yield whole("as many bytes out as there can be", "MaximalOutputSize", draw(32), draw(16), draw(10), 255 * 32)
    yield whole("no salt", "EmptySalt", draw(32), b"", draw(10), 42)
    yield whole("a salt of zeros: the same as none", "EmptySalt", bytes(22), bytes(32), b"", 42)
    yield whole("no salt and no info", "EmptySalt", bytes(22), b"", b"", 42)
    for size in [63, 64, 65]:
        yield whole(f"a salt of {size} bytes", "Normal", draw(20), draw(size), b"", 32)
    for size in [0, 1, 64, 65, 128]:
        yield whole(f"{size} bytes in", "Normal", draw(size), draw(8), draw(8), 32)


def scrypt_cases():
    def plain(comment, password, salt, n, r, p, size):
        out = scrypt(password, salt=salt, n=2**n, r=r, p=p, maxmem=2**31 - 2, dklen=size)
        return {"comment": comment, "flags": ["Scrypt"], "password": password.hex(), "salt": salt.hex(), "log2N": n, "r": r, "p": p, "out": out.hex(), "result": "valid"}  # fmt: skip

    yield plain("the smallest of RFC 7914", b"", b"", 4, 1, 1, 64)
    yield plain("several lanes, of RFC 7914", b"password", b"NaCl", 10, 8, 16, 64)
    yield plain("2^14, of RFC 7914", b"pleaseletmein", b"SodiumChloride", 14, 8, 1, 64)
    yield plain("2^20, of RFC 7914", b"pleaseletmein", b"SodiumChloride", 20, 8, 1, 64)
    for size in [63, 64, 65, 200]:
        yield plain(f"a password of {size} bytes", b"p" * size, b"salt", 4, 8, 1, 32)
    yield plain("a password of zero bytes is not an empty one", bytes(3), b"salt", 4, 8, 1, 32)
    yield plain("r of 1", b"orthrus", b"salt", 6, 1, 1, 32)
    yield plain("r of 9", b"orthrus", b"salt", 6, 9, 1, 32)

    def key_of(comment, password, principal, salt, n):
        label = b"orthrus/1 salt" + ZERO + principal.encode() + ZERO + salt
        text = unicodedata.normalize("NFC", password).encode()
        out = scrypt(text, salt=sha256(label).digest(), n=2**n, r=8, p=1, maxmem=2**31 - 2, dklen=32)
        return {"comment": comment, "flags": ["PasswordKey"], "password": password, "principal": principal, "salt": salt.hex(), "log2N": n, "r": 8, "p": 1, "out": out.hex(), "result": "valid"}  # fmt: skip

    draw = Draw("scrypt")
    ann = "ann@demo.example"
    salt = draw(16)
    yield key_of("what the ones below differ from", "correct horse", ann, salt, 10)
    yield key_of("another principal", "correct horse", "bob@demo.example", salt, 10)
    yield key_of("another salt", "correct horse", ann, draw(16), 10)
    yield key_of("another N", "correct horse", ann, salt, 11)
    yield key_of("a blank more", "correct horse ", ann, salt, 10)
    yield key_of("capitals", "Correct Horse", ann, salt, 10)
    yield key_of("composed", "stra\u00dfe \u00e9", ann, salt, 10)
    yield key_of("decomposed: the same as composed", "stra\u00dfe e\u0301", ann, salt, 10)
    yield key_of("a ligature, which NFC leaves alone", "\ufb01sh", ann, salt, 10)
    yield key_of("outside the basic plane", "\U0001f511 \U0001d11e", ann, salt, 10)
    yield key_of("a NUL inside", "correct\u0000horse", ann, salt, 10)
    yield key_of("one character", "x", ann, salt, 10)
    yield key_of("1,000 characters", "long " * 200, ann, salt, 10)
    yield key_of("a salt of zeros", "correct horse", ann, bytes(16), 10)
    yield key_of("the floor", "correct horse", ann, salt, 17)
    yield key_of("the ceiling", "correct horse", ann, salt, 20)

    refused = [(16, 8, 1), (21, 8, 1), (0, 8, 1), (1, 8, 1), (14, 8, 1), (31, 8, 1), (32, 8, 1), (63, 8, 1),
               (2**53 - 1, 8, 1), (17, 7, 1), (17, 9, 1), (17, 0, 1), (17, 1, 1), (17, 8, 0), (17, 8, 2),
               (20, 8, 2), (20, 9, 1), (17, 2**53 - 1, 1), (17, 8, 2**53 - 1), (17, 1, 8)]  # fmt: skip
    for n, r, p in refused:
        yield {"comment": f"2^{n}, {r}, {p}", "flags": ["OutOfBounds"], "log2N": n, "r": r, "p": p, "result": "invalid"}
    for n in [17, 18, 19, 20]:
        yield {"comment": f"2^{n}, 8, 1", "flags": ["InBounds"], "log2N": n, "r": 8, "p": 1, "result": "valid"}


AEADS = [
    (Aead("xchacha20-poly1305", 24, "crypto_aead_xchacha20poly1305_ietf_encrypt"), "XChaCha20-Poly1305"),
    (Aead("chacha20-poly1305", 12, "crypto_aead_chacha20poly1305_ietf_encrypt"), "ChaCha20-Poly1305 of RFC 8439"),
]

if __name__ == "__main__":
    SODIUM.sodium_init()
    for aead, title in AEADS:
        write(aead.name, f"{title}, by libsodium", aead_cases(aead))
    write("hmac-sha-256", "HMAC-SHA-256, by Python's hmac", list(hmac_cases()))
    write("hkdf-sha-256", "HKDF-SHA-256: expand() of docs/protocol.md section 2, and whole; by pyca/cryptography", list(hkdf_cases()))
    write("scrypt", "scrypt, password keys of docs/protocol.md section 2, bounds on parameters; by Python's hashlib", list(scrypt_cases()))
