"""A relay with organizations, administrators with certificates of their own, and curl as an EST client."""
import hashlib
import json
import pathlib
import re
import socket
import ssl
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "relay_control"))

import websockets  # noqa: E402
from harness import CTL, LINES, SOURCE, Relay, Room, calendar, event, offer, run  # noqa: E402, F401

from kaigi_client import tls_context, url  # noqa: E402

EST = "/.well-known/est"


class Refused(AssertionError):
    """{"ok":false}: str() is its error."""


class World(Relay):
    """Two organizations, kaku and mihon. No rooms: they are enrolled by the tests."""

    def __init__(self, settings=""):
        super().__init__(settings=settings, rooms=())
        self.administrators = {}

    def __enter__(self):
        super().__enter__()  # makes kaku, 架空市
        try:
            self.tell("org-add", id="mihon", name="見本町")
        except BaseException as e:
            self.__exit__(type(e))
            raise
        return self

    def ask_socket(self, line):
        """One line to the socket of this machine's administrators; its answer, read as JSON."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(40)
            s.connect(str(self.state / "admin.sock"))
            s.sendall(line if isinstance(line, bytes) else line.encode() + b"\n")
            text = b""
            while not text.endswith(b"\n"):
                more = s.recv(65536)
                if not more:
                    return None
                text += more
        return json.loads(text)

    def tell(self, command, **fields):
        """As the operator of this machine. Raises Refused."""
        reply = self.ask_socket(json.dumps({"command": command, **fields}))
        if not reply["ok"]:
            raise Refused(reply["error"])
        return reply

    def administrator(self, name, role="administrator", organization="kaku", more=None):
        """Signed by the operator: {"cert": path, "key": path}."""
        room = Room(self.folder, f"admin-{name}").make_request()
        fields = {"organization": organization} if organization else {}
        reply = self.tell("admin-add", id=name, name=name, role=role, csr=room.csr.read_text(), **fields, **(more or {}))
        room.cert.write_text(reply["certificate"])
        self.administrators[name] = {"cert": room.cert, "key": room.key}
        return self.administrators[name]

    def room(self, name, organization="kaku", **fields):
        """A room added with its request, as an operator with a file would."""
        room = Room(self.folder, name).make_request()
        reply = self.tell("room-add", id=name, organization=organization, name=f"会議室{name}", csr=room.csr.read_text(),
                          **fields)
        room.cert.write_text(reply["certificate"])
        self.rooms[name] = room
        return room

    def websocket(self, path, protocol, cert=None, key=None, **options):
        protocols = [protocol] if isinstance(protocol, str) else protocol
        return websockets.connect(url(self.listen, self.port, path), ssl=tls_context(self.ca, cert, key, "http/1.1"),
                                  subprotocols=protocols, max_size=64 << 20, compression=None, **options)

    def admin_socket(self, name, **options):
        return self.websocket("/v1/admin", "kaigi.admin.v1", **self.administrators[name], **options)

    def remote_ctl(self, name, *arguments, check=True, **options):
        """kaigi-ctl as that administrator's machine would run it."""
        who = self.administrators[name]
        return run(CTL, *arguments, "--relay", f"https://{self.listen}:{self.port}", "--certificate", who["cert"], "--key",
                   who["key"], "--ca", self.ca, check=check, **options)

    def audit(self, event=None):
        """Rows of the trail, as dicts, oldest first."""
        rows, after = [], 0
        while True:
            reply = self.tell("audit-list", after=after, **({"event": event} if event else {}))
            rows += reply["rows"]
            after = reply.get("next", 0)
            if not after:
                return rows


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body


class Device:
    """A third party's EST client: openssl and curl."""

    def __init__(self, world, name, source=None):
        self.world, self.name, self.source = world, name, source
        self.key, self.csr, self.cert = (world.folder / f"{name}.{kind}" for kind in ("dkey", "dcsr", "dcrt"))

    def make_request(self, key="ec", serial="KT-0001", arguments=()):
        kind = (["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"] if key == "ec" else ["-newkey", key])
        run("openssl", "req", "-new", *kind, "-nodes", "-keyout", self.key, "-out", self.csr, "-subj",
            f"/CN=terminal/serialNumber={serial}", *arguments)
        return self

    def body(self):
        der = subprocess.run(["openssl", "req", "-in", self.csr, "-outform", "DER"], check=True, capture_output=True).stdout
        return subprocess.run(["base64"], input=der, check=True, capture_output=True).stdout

    def code(self):
        """As the device shows it, computed here from the key by other means."""
        der = subprocess.run(["openssl", "pkey", "-in", self.key, "-pubout", "-outform", "DER"], check=True,
                             capture_output=True).stdout
        bits = int.from_bytes(hashlib.sha256(der).digest()[:6], "big")
        letters = "".join("0123456789ABCDEFGHJKMNPQRSTVWXYZ"[bits >> (43 - 5 * i) & 31] for i in range(9))
        return f"{letters[:3]}-{letters[3:6]}-{letters[6:]}"

    def fingerprint(self):
        der = subprocess.run(["openssl", "pkey", "-in", self.key, "-pubout", "-outform", "DER"], check=True,
                             capture_output=True).stdout
        return hashlib.sha256(der).hexdigest()

    def curl(self, path, *arguments, data=None, identity=None, check=True):
        command = ["curl", "-sS", "-i", "--max-time", "20", "--cacert", str(self.world.ca), *map(str, arguments)]
        if self.source:
            command += ["--interface", self.source]
        if identity:
            command += ["--cert", str(identity["cert"]), "--key", str(identity["key"])]
        if data is not None:
            command += ["--data-binary", "@-"]
        done = subprocess.run([*command, f"https://{self.world.listen}:{self.world.port}{path}"], input=data,
                              capture_output=True, timeout=30)
        if done.returncode != 0:
            if check:
                raise AssertionError(f"curl {path}: {done.returncode} {done.stderr.decode()}")
            return Answer(0, {}, done.stderr)
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        while body.startswith(b"HTTP/"):  # 100 Continue
            head, _, body = body.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines[1:])}
        return Answer(int(lines[0].split()[1]), headers, body)

    def post(self, operation="simpleenroll", data=None, kind="application/pkcs10", arguments=(), **options):
        return self.curl(f"{EST}/{operation}", "-H", f"Content-Type: {kind}", *arguments,
                         data=self.body() if data is None else data, **options)

    def certificates(self, answer):
        """The PEM texts in a certs-only answer, by openssl."""
        der = subprocess.run(["base64", "-d"], input=answer.body, check=True, capture_output=True).stdout
        text = subprocess.run(["openssl", "pkcs7", "-inform", "DER", "-print_certs"], input=der, check=True,
                              capture_output=True).stdout.decode()
        return re.findall(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", text, re.S)

    def take(self, answer):
        """Keeps the certificate of a 200; this device is the room from now on."""
        certificate, = self.certificates(answer)
        self.cert.write_text(certificate)
        return {"cert": self.cert, "key": self.key}
