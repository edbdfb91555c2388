"""A relay of one's own for a test: state folder, authority, rooms, agenda, on an ephemeral loopback port."""
import contextlib
import datetime
import hashlib
import hmac
import json
import os
import pathlib
import re
import signal
import sqlite3
import ssl
import struct
import subprocess
import sys
import tempfile
import time
import zlib

SOURCE = pathlib.Path(os.environ.get("KAIGI_SOURCE", pathlib.Path(__file__).resolve().parents[3]))
BUILD = pathlib.Path(os.environ.get("KAIGI_BUILD", SOURCE / ".build/debug"))
RELAY = BUILD / "media/relay/kaigi-relay"
CTL = BUILD / "media/relay/kaigi-ctl"
sys.path.insert(0, str(SOURCE / "tests/tools"))

from kaigi_authority import Authority  # noqa: E402
from kaigi_client import ControlClient, MediaTunnel  # noqa: E402


def run(*command, check=True, **options):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=60, **options)
    if check and done.returncode != 0:
        raise AssertionError(f"{command} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done


def event(uid, rooms, start_minutes=-5, minutes=60, title="定例会", extra=()):
    """A VEVENT that starts so many minutes from now."""
    start = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=start_minutes)
    end = start + datetime.timedelta(minutes=minutes)
    lines = ["BEGIN:VEVENT", f"UID:{uid}", f"DTSTAMP:{start:%Y%m%dT%H%M%SZ}", f"DTSTART:{start:%Y%m%dT%H%M%SZ}",
             f"DTEND:{end:%Y%m%dT%H%M%SZ}", f"SUMMARY:{title}"]
    lines += [f"ATTENDEE;CUTYPE=ROOM:mailto:{room}@kaku.example" for room in rooms]
    return "\r\n".join([*lines, *extra, "END:VEVENT"]) + "\r\n"


def calendar(*events):
    return "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//test//EN\r\n" + "".join(events) + "END:VCALENDAR\r\n"


class Room:
    def __init__(self, folder, name):
        self.name, self.key, self.csr, self.cert = name, folder / f"{name}.key", folder / f"{name}.csr", folder / f"{name}.crt"

    def make_request(self):
        run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
            self.key, "-out", self.csr, "-subj", "/CN=ignored")
        return self


class Relay:
    """with Relay() as relay: ... — stopped by SIGTERM at the end, when it must end with 0 unless killed before."""

    def __init__(self, settings="", listen="127.0.0.1", rooms=("a", "b")):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="kaigi-relay-"))
        self.state, self.log_path = self.folder / "state", self.folder / "relay.log"
        self.settings, self.listen, self.port, self.process = settings, listen, None, None
        self.rooms = {name: Room(self.folder, name) for name in rooms}
        self.authority = Authority(BUILD, self.folder, self.state)
        try:
            self.authority.init("127.0.0.1", "::1", "localhost")
        except BaseException:
            self.authority.stop()
            raise
        self.ca = self.state / "ca.crt"

    def __enter__(self):
        try:
            self.start()
            self.ctl("org", "add", "kaku", "--name", "架空市", "--reading", "かくうし")
            for room in self.rooms.values():
                self.enrol(room)
        except BaseException:
            self.authority.stop()
            raise
        return self

    def __exit__(self, kind, *_):
        signer = self.authority.stop()
        if kind is None and signer != 0:
            raise AssertionError(f"kaigi-signer ended with {signer}:\n{self.authority.log.read_text()}")
        if self.process:
            code = self.stop()
            if kind is None and code != 0:
                raise AssertionError(f"the relay ended with {code}:\n{self.log()}")
        if kind is not None:
            print(self.log(), file=sys.stderr)
        subprocess.run(["rm", "-rf", str(self.folder)], check=True)

    def configure(self, text):
        path = self.folder / "relay.conf"
        path.write_text(text)
        return path

    def start(self, expect_failure=False):
        config = self.configure(f"[relay]\nstate=state\n[listen]\naddresses={self.listen}\nport={self.port or 0}\n"
                                + self.settings)
        with open(self.log_path, "ab") as log:
            mark = log.tell()
            self.process = subprocess.Popen([RELAY, "--config", config], stderr=log)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            text = self.log_path.read_bytes()[mark:].decode()
            if started := re.search(r" port (\d+) .*\[relay.started\]", text):
                self.port = int(started[1])
                return self
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        code, self.process = self.process.wait(5), None
        if expect_failure:
            return code, text
        raise AssertionError(f"the relay did not start ({code}):\n{text}")

    def stop(self):
        process, self.process = self.process, None
        process.send_signal(signal.SIGTERM)
        try:
            return process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"the relay does not stop:\n{self.log()}") from None

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process = None

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def ctl(self, *arguments, check=True):
        return run(CTL, *arguments, "--state", self.state, check=check)

    def ask(self, *arguments):
        return json.loads(self.ctl(*arguments, "--json").stdout)

    def enrol(self, room, *more):
        if not room.csr.exists():
            room.make_request()
        self.ctl("room", "add", f"会議室{room.name}", "--id", room.name, "--organization", "kaku", "--department",
                 "総務課", "--csr", room.csr, "--cert-out", room.cert, *more)

    def import_agenda(self, *events, check=True):
        path = self.folder / "agenda.ics"
        path.write_text(calendar(*events), newline="")
        return self.ctl("agenda", "import", path, check=check)

    def wait_for_seat(self, name, token):
        """Until the store has the seat of this token (only its hash, bound to the certificate)."""
        der = ssl.PEM_cert_to_DER_cert(self.rooms[name].cert.read_text())
        wanted = hashlib.sha256(hashlib.sha256(der).digest() + token.encode()).digest()
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with contextlib.closing(sqlite3.connect(f"file:{self.state}/kaigi.db?mode=ro", uri=True)) as db:
                if db.execute("SELECT 1 FROM seat WHERE token_hash = ?", (wanted,)).fetchone():
                    return
            time.sleep(0.02)
        raise AssertionError(f"the store does not get the seat of {name}")

    def wait_copied(self, query):
        """Until the store's good copy has what the query asks for."""
        for _ in range(500):
            with contextlib.suppress(sqlite3.Error), contextlib.closing(
                    sqlite3.connect(f"file:{self.state}/kaigi.db.backup?mode=ro", uri=True)) as db:
                if db.execute(query).fetchone():
                    return
            time.sleep(0.02)
        raise AssertionError("the good copy does not follow")

    def events(self):
        """What the store says has happened, in order."""
        with contextlib.closing(sqlite3.connect(f"file:{self.state}/kaigi.db?mode=ro", uri=True)) as db:
            return db.execute("SELECT event_id, object, actor FROM audit ORDER BY seq").fetchall()

    def _identity(self, name):
        room = self.rooms[name]
        return {"ca": self.ca, "cert": room.cert, "key": room.key}

    def client(self, name, **options):
        return ControlClient(self.listen, self.port, **{**self._identity(name), **options})

    def tunnel(self, name, **options):
        return MediaTunnel(self.listen, self.port, **{**self._identity(name), **options})


FINGERPRINT = ":".join(["AB"] * 32)


def offer(ufrag="abcd", pwd="p" * 24):
    """The smallest useful offer: one's sound and picture out, one slot of each in."""
    session = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0 1 2 3"]
    text = "\r\n".join(session) + "\r\n"
    for mid, (kind, direction) in enumerate([("audio", "sendonly"), ("video", "sendonly"), ("audio", "recvonly"),
                                             ("video", "recvonly")]):
        codec = ["111"] if kind == "audio" else ["96", "97"]
        lines = [f"m={kind} 9 UDP/TLS/RTP/SAVPF {' '.join(codec)}", "c=IN IP4 0.0.0.0", f"a=mid:{mid}", f"a={direction}",
                 "a=rtcp-mux", f"a=ice-ufrag:{ufrag}", f"a=ice-pwd:{pwd}", f"a=fingerprint:sha-256 {FINGERPRINT}",
                 "a=setup:actpass", "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid"]
        lines += (["a=rtpmap:111 opus/48000/2"] if kind == "audio" else
                  ["a=rtpmap:96 VP8/90000", "a=rtcp-fb:96 nack", "a=rtpmap:97 rtx/90000", "a=fmtp:97 apt=96"])
        if direction == "sendonly":
            lines.append(f"a=ssrc:{1000 + mid} cname:test")
        text += "\r\n".join(lines) + "\r\n"
    return text


LINES = [{"mid": "0", "role": "microphone"}, {"mid": "1", "role": "camera"}, {"mid": "2", "role": "audio-0"},
         {"mid": "3", "role": "video-0"}]


def stun_request(username, password):
    """A binding request of a controlling agent (RFC 8489, RFC 8445)."""
    def attribute(kind, value):
        return struct.pack("!HH", kind, len(value)) + value + b"\0" * (-len(value) % 4)

    identity = os.urandom(12)
    body = attribute(0x0006, username.encode()) + attribute(0x0024, struct.pack("!I", 1845501695))
    body += attribute(0x802A, os.urandom(8)) + attribute(0x0025, b"")

    def header(extra):
        return struct.pack("!HHI", 0x0001, len(body) + extra, 0x2112A442) + identity

    body += attribute(0x0008, hmac.new(password.encode(), header(24) + body, hashlib.sha1).digest())
    checksum = zlib.crc32(header(8) + body) ^ 0x5354554E
    return header(8) + body + attribute(0x8028, struct.pack("!I", checksum)), identity


def credentials(answer):
    return (re.search(r"^a=ice-ufrag:(\S+)", answer, re.M)[1], re.search(r"^a=ice-pwd:(\S+)", answer, re.M)[1])
