#!/usr/bin/python3
"""Rubbish, truncations, oversizes, forgeries and replays are thrown at the relay's port, UDP and TCP, with and without
a room's certificate, and at the terminals, while two rooms meet. Nobody in the meeting notices; the log stays short."""
import asyncio
import json
import os
import pathlib
import random
import socket
import ssl
import struct
import subprocess
import sys
import time
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
from websockets import ConnectionClosed  # noqa: E402

from kaigi_client import ConnectionEnded, ControlClient, MediaTunnel, RelayError, tls_context  # noqa: E402
from world import MEASURE, World, main, run  # noqa: E402

DATAGRAMS = int(os.environ.get("DATAGRAMS", "20000"))
MEET_S = 17
MAGIC = 0x2112A442
random.seed(7)


# --- what is thrown ---

def stun(kind, attributes=b"", fingerprint=True):
    """RFC 8489; integrity, if any, is forged."""
    transaction = random.randbytes(12)
    size = len(attributes) + (8 if fingerprint else 0)
    message = struct.pack(">HHI", kind, size, MAGIC) + transaction + attributes
    if fingerprint:
        message += struct.pack(">HHI", 0x8028, 4, zlib.crc32(message) ^ 0x5354554E)
    return message


def made_up():
    """One datagram of every kind a stranger may think of."""
    kind = random.randrange(10)
    if kind == 0:
        return random.randbytes(random.randrange(0, 1400))
    if kind == 1:  # RTP, RTCP: header and rubbish
        return bytes([random.choice((0x80, 0x90, 0xBF)), random.choice((96, 111, 200, 201, 205, 206))]) + \
            random.randbytes(random.randrange(0, 1200))
    if kind == 2:  # STUN cut short, or with a length that lies
        return stun(1)[:random.randrange(0, 28)] + random.randbytes(random.randrange(0, 4))
    if kind == 3:  # a username of nobody, a forged integrity
        name = f"{random.randrange(256):02x}{random.randrange(1 << 32):08x}:abcd".encode()
        name += b"\0" * (-len(name) % 4)
        return stun(1, struct.pack(">HH", 6, len(name)) + name + struct.pack(">HH", 8, 20) + random.randbytes(20))
    if kind == 4:  # DTLS records: hello, alert, data, in epochs of all kinds
        body = random.randbytes(random.randrange(0, 300))
        return struct.pack(">BHHHIH", random.choice((20, 21, 22, 23)), 0xFEFD, random.randrange(3), 0,
                           random.randrange(1 << 32), len(body)) + body
    if kind == 5:  # a fatal alert in the clear
        return struct.pack(">BHHHIH", 21, 0xFEFD, 0, 0, random.randrange(100), 2) + b"\x02\x28"
    if kind == 6:  # a handshake fragment that claims to be huge
        return struct.pack(">BHHHIH", 22, 0xFEFD, 0, 0, 0, 25) + b"\x01\xff\xff\xff\0\0\0\0\0\0\xff\xff" + random.randbytes(13)
    if kind == 7:  # answers nobody asked for: errors, role conflicts
        return stun(0x0111, struct.pack(">HHI", 9, 4, random.choice((0x0487, 0x0401, 0x0400)) & 0xFFFF))
    if kind == 8:  # far too long
        return random.randbytes(random.choice((1473, 9000, 65000)))
    return b""


def capture(port, seconds):
    """Datagrams of the meeting: (to the relay?, source port, destination port, payload)."""
    found = []
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800)) as wire:
        wire.bind(("lo", 0x0800))
        wire.settimeout(0.2)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                packet, address = wire.recvfrom(65535)
            except TimeoutError:
                continue
            if address[2] == 4 or packet[9] != 17:  # outgoing copies; not UDP
                continue
            header = (packet[0] & 15) * 4
            source, target = struct.unpack_from(">HH", packet, header)
            if port in (source, target):
                found.append((target == port, source, target, packet[header + 8:]))
    return found


def flip(payload):
    """A forgery: one bit of a true datagram."""
    data = bytearray(payload)
    if data:
        at = random.randrange(len(data))
        data[at] ^= 1 << random.randrange(8)
    return bytes(data)


def storm(port):
    """DATAGRAMS of them in some 12 s: made up from own ports, and true ones again, cut and forged, in others' names."""
    recorded = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        raw = None
        if os.geteuid() == 0:
            recorded = capture(port, 1.0)
            raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
        sent = {"made up": 0, "replayed": 0, "forged": 0, "cut": 0, "as a room": 0}
        for n in range(DATAGRAMS):
            if n % 20 == 0:
                time.sleep(0.01)
            what, payload, source, target = "made up", made_up(), None, port
            if recorded and n % 2:
                _, source, target, true = random.choice(recorded)
                what, payload = random.choice((("replayed", true), ("forged", flip(true)),
                                               ("cut", true[:random.randrange(len(true) + 1)]), ("as a room", payload)))
            try:
                if source is None:
                    own.sendto(payload, ("127.0.0.1", target))
                elif len(payload) < 60000:
                    raw.sendto(struct.pack(">HHHH", source, target, 8 + len(payload), 0) + payload, ("127.0.0.1", 0))
                sent[what] += 1
            except OSError:
                continue
    print("datagrams:", ", ".join(f"{count} {name}" for name, count in sent.items()))


# --- over TCP ---

def strangers(port):
    """Without a certificate: rubbish, HTTP, half a hello, silence."""
    held = []
    for n in range(60):
        s = socket.create_connection(("127.0.0.1", port), 5)
        try:
            s.sendall((random.randbytes(200), b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x40\x00\x01\x00\x3f\xfc" + b"a" * 50, b"\x16")[n % 4])
        except OSError:
            pass
        held.append(s)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    # TLS lets a device in that is not enrolled yet; the path of meetings does not.
    upgrade = (b"GET /v1/control HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: kaigi.v1\r\n"
               b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
    answers = []
    for _ in range(10):
        try:
            with socket.create_connection(("127.0.0.1", port), 5) as plain, context.wrap_socket(plain) as tls:
                tls.sendall(upgrade)
                answers.append(tls.recv(100))
        except OSError:
            answers.append(b"")
    for answer in answers:
        assert answer == b"" or answer.startswith((b"HTTP/1.1 401 ", b"HTTP/1.1 403 ")), f"without a certificate: {answer}"
    for s in held:
        s.close()


def bad_texts():
    offer = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"
    yield from ("", "{", "[]", "null", '{"type":5}', '{"type":"nonsense"}', "[" * 5000, '{"type":"want","slots":[{}]}',
                '{"type":"join","request":99999999999999999999,"meeting":"x","offer":"","lines":[]}', '{"type":"leave"}',
                '{"type":"mute","microphone":"yes"}', '{"type":"hello","protocol":-1,"software":"x"}', "\ud7ff" * 1000,
                "x" * 300000)
    for n in range(20):
        sdp = offer + "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n" * random.randrange(40) + "a=" + "z" * random.randrange(6000)
        yield json.dumps({"type": "join", "request": n, "meeting": "kaku/faults@kaigi.invalid", "offer": sdp,
                          "lines": [{"mid": str(n), "role": "camera"}], "muted": {"microphone": False, "camera": False}})


async def known_room(port, identity):
    """With room C's certificate, which is not invited: rubbish in well-formed envelopes, on control and on media."""
    texts, connections = list(bad_texts()), 0
    while texts and connections < 40:
        connections += 1
        try:
            async with ControlClient("127.0.0.1", port, **identity) as c:
                while texts:
                    await c.send_text(texts.pop())
                    await asyncio.sleep(0.03)
                await c._socket.send(b"binary")
        except (ConnectionEnded, ConnectionClosed, RelayError, OSError, asyncio.TimeoutError):
            pass
    assert not texts, f"{len(texts)} texts were never taken"
    for _ in range(3):
        async with ControlClient("127.0.0.1", port, **identity) as c:
            try:
                for _ in range(300):
                    await c.send_text("{")
                    await asyncio.sleep(0)
                    if c.closing:
                        break
                await c.wait(lambda c: c.closing)
            except ConnectionClosed:
                pass
            await asyncio.sleep(0.1)
            assert c.closing or c._ended, "a flood is not refused"
    for _ in range(5):
        try:
            async with MediaTunnel("127.0.0.1", port, **identity) as tunnel:
                for _ in range(60):
                    await tunnel.send(made_up()[:1400])
                await tunnel._socket.send("text")
        except (ConnectionClosed, OSError):  # the relay may end it at any of these
            pass
    context = tls_context(identity["ca"], identity["cert"], identity["key"], "http/1.1")
    for request in (random.randbytes(500), b"POST /v1/control HTTP/1.1\r\n\r\n", b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\n\r\n"):
        try:
            with socket.create_connection(("127.0.0.1", port), 5) as plain, context.wrap_socket(plain, server_hostname="127.0.0.1") as tls:
                tls.sendall(request)
                tls.recv(100)
        except OSError:
            pass
    return connections


# --- the meeting meanwhile ---

def measure(*words):
    done = run(MEASURE, *words)
    assert done.returncode == 0, f"kaigi-measure {words[0]}: {done.stdout}{done.stderr}"
    return done.stdout


def garbage():
    with World(rooms=("room-a", "room-b", "room-c")) as world:
        world.agenda("room-a", "room-b")
        a, b, c = world.rooms.values()
        for room, picture, chirp in ((a, "test", "up"), (b, "test:pinwheel", "down")):
            measure("clip", picture, room.folder / "clip.y4m", 320, 180, 15, 75)
            measure("voice", "test", chirp, 30, room.folder / "voice.wav")
        options = lambda room: ("--camera", room.folder / "clip.y4m", "--microphone", room.folder / "voice.wav", "--path", "udp")
        b.start("--join", "auto", *options(b))
        a.start(*options(a))
        b.wait_for("meeting.leave")
        a.wait_for("home.join")
        usage = lambda when: [measure("usage", p.process.pid, world.folder / f"{p.name}-{when}.json") for p in (a, b, world.relay)]
        usage("before")
        touched = measure("touch", a.tap, "home.join", 5000).strip()
        began = time.monotonic()
        a.wait_for("meeting.leave")
        time.sleep(1)
        marks = [p.mark() for p in (a, b, world.relay)]
        thrower = subprocess.Popen([sys.executable, __file__, "--storm", str(world.relay.port)])
        strangers(world.relay.port)
        identity = {"ca": str(world.relay.state / "ca.crt"), "cert": str(c.folder / "room.crt"), "key": str(c.folder / "room.key")}
        print(f"control connections with rubbish: {asyncio.run(known_room(world.relay.port, identity))}")
        assert thrower.wait(60) == 0
        time.sleep(max(0, began + MEET_S - time.monotonic()))
        seconds = time.monotonic() - began
        usage("after")
        (world.folder / "status.json").write_text(world.relay.must("status", "--json"))
        a.shot("garbage")
        parties = world.relay.parties()
        assert set(parties) == {"room-a", "room-b"} and not any(p["away"] for p in parties.values()), parties
        for process, mark in zip((a, b, world.relay), marks):
            with open(process.log_path, "rb") as log:
                log.seek(mark)
                lines = log.read().decode(errors="replace").splitlines()
            print(f"{process.name}: {len(lines)} lines of log")
            assert len(lines) < 150, "the log is not limited:\n" + "\n".join(lines[-30:])
            assert not any("[app.media-lost]" in line or "[app.relay-away]" in line for line in lines), lines[-10:]
        a.touch("meeting.leave")
        time.sleep(0.5)
        assert a.stop() == 0 and b.stop() == 0
        report = world.folder / "report.json"
        rooms = []
        for room, chirp, touch in ((a, "up", touched), (b, "down", 0)):
            rooms += [room.name, room.tap, room.folder / "clip.y4m", chirp, touch, world.folder / f"{room.name}-before.json",
                      world.folder / f"{room.name}-after.json"]
        measure("report", report, f"{seconds:.1f}", world.folder / "status.json", world.folder / "status.json",
                world.folder / "relay-before.json", world.folder / "relay-before.json", world.folder / "relay-after.json",
                *rooms)
        for name, room in json.loads(report.read_text())["rooms"].items():
            video, audio = room["video"], room["audio"]
            print(name, f"{video['fps']} fps, frozen {video['freeze_ms']} ms, SSIM {video['ssim']}, "
                        f"concealed {audio['concealed_percent']} %, path {room['path']}")
            assert room["path"] == "udp"
        for room in (a, b):  # a busy machine freezes by itself; what arrived does not depend on it
            pictures, packets = map(int, room.expect(r"pictures=(\d+) sound_packets=(\d+) .*\[app\.call-summary\]").groups())
            print(f"{room.name} got {pictures} pictures and {packets} packets of sound in {seconds:.1f} s")
            assert packets > 0.85 * 50 * seconds and pictures > 0.5 * 15 * seconds, "media was lost"


if __name__ == "__main__":
    if sys.argv[1:2] == ["--storm"]:
        storm(int(sys.argv[2]))
    else:
        main(garbage)
