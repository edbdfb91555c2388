"""Keys on the real programs: bad certificates on each path, revocation, the signer, own and foreign authorities."""
import asyncio
import contextlib
import datetime
import ipaddress
import json
import os
import pathlib
import pty
import re
import select
import socket
import sqlite3
import ssl
import subprocess
import tempfile
import time
import unittest

import websockets
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from harness import BUILD, LINES, Authority, Relay, Room, credentials, event, offer, stun_request

CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH
ENDS = (OSError, websockets.WebSocketException, EOFError)


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Issuer:
    def __init__(self, certificate, key):
        self.certificate, self.key = certificate, key

    @classmethod
    def of(cls, folder):
        """The relay's own, as nobody but the signer should be able to."""
        return cls(x509.load_pem_x509_certificate((folder / "issuing.crt").read_bytes()),
                   serialization.load_pem_private_key((folder / "issuing.key").read_bytes(), None))

    @classmethod
    def new(cls, text, above=None):
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = build(text, key.public_key(), above, key, authority=True)
        return cls(certificate, key)

    def issue(self, folder, file, **options):
        key = options.pop("key", None) or ec.generate_private_key(ec.SECP256R1())
        chain = [build("kaku-1", key.public_key(), self, key, **options)] + options.get("chain", [])
        (folder / f"{file}.crt").write_bytes(b"".join(c.public_bytes(serialization.Encoding.PEM) for c in chain))
        (folder / f"{file}.key").write_bytes(key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        return folder / f"{file}.crt", folder / f"{file}.key"


def build(text, public_key, issuer, own_key, *, begin=-1, end=30, purpose=CLIENT, names=None, authority=False, chain=None):
    del chain
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = (x509.CertificateBuilder().subject_name(name(text))
               .issuer_name(issuer.certificate.subject if issuer else name(text)).public_key(public_key)
               .serial_number(x509.random_serial_number()).not_valid_before(now + datetime.timedelta(days=begin))
               .not_valid_after(now + datetime.timedelta(days=end))
               .add_extension(x509.BasicConstraints(authority, None), True))
    if authority:
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), False)
    else:
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), False)
        builder = builder.add_extension(x509.SubjectAlternativeName(
            names or [x509.UniformResourceIdentifier("kaigi:room:a")]), False)
    return builder.sign(issuer.key if issuer else own_key, hashes.SHA256())


def open_path(port, path, alpn, pair, ca=None, ask=True):
    """What becomes of a WebSocket request: ("status", line) or ("alert", words). Without asking, only an alert is waited
    for: a socket closed on an unread request may take it away."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if ca:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(ca)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.set_alpn_protocols([alpn])
    if pair:
        context.load_cert_chain(*pair)
    protocol = {"/v1/control": "kaigi.v1", "/v1/admin": "kaigi.admin.v1"}.get(path)
    protocol = f"Sec-WebSocket-Protocol: {protocol}\r\n" if protocol else ""
    request = (f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{protocol}\r\n")
    with socket.create_connection(("127.0.0.1", port), 10) as plain:
        try:
            with context.wrap_socket(plain) as tls:
                if ask:
                    tls.sendall(request.encode())
                answer = tls.recv(4096).decode(errors="replace")
                return "status", answer.split("\r\n")[0]
        except ssl.SSLError as error:
            return "alert", error.reason
        except ConnectionResetError:
            return "status", ""


CONTROL, ADMIN, TUNNEL = ("/v1/control", "http/1.1"), ("/v1/admin", "http/1.1"), ("/v1/media", "kaigi-media")


class Keys(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        asyncio.get_running_loop().set_debug(False)

    def trail(self, relay, event_id):
        with contextlib.closing(sqlite3.connect(f"file:{relay.state}/kaigi.db?mode=ro", uri=True)) as db:
            return [row[0] for row in db.execute("SELECT detail FROM audit WHERE event_id = ? ORDER BY seq", (event_id,))]

    def wait_for_rows(self, relay, event_id, count):
        deadline = time.monotonic() + 10
        while len(self.trail(relay, event_id)) < count and time.monotonic() < deadline:
            time.sleep(0.05)
        return self.trail(relay, event_id)

    def test_bad_certificates(self):
        cases = [  # certificate, the alert its owner sees, the words of the trail
            ("expired", {"begin": -30, "end": -1}, "SSLV3_ALERT_CERTIFICATE_EXPIRED", "certificate has expired"),
            ("early", {"begin": 1, "end": 30}, "SSLV3_ALERT_BAD_CERTIFICATE", "certificate is not yet valid"),
            ("server", {"purpose": SERVER}, "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE", "purpose"),
            ("weak", {"key": rsa.generate_private_key(65537, 1024)}, "SSLV3_ALERT_BAD_CERTIFICATE", "too weak"),
        ]
        for path, alpn in (CONTROL, ADMIN, TUNNEL):
            with Relay(rooms=("a",)) as relay:
                before = relay.ask("room", "list")["rooms"]
                ours, stranger = Issuer.of(relay.authority.signer), Issuer.new("stranger")
                tried = [(ours.issue(relay.folder, file, **options), alert, words) for file, options, alert, words in cases]
                tried += [(stranger.issue(relay.folder, "foreign"), "TLSV1_ALERT_UNKNOWN_CA", "unable to get"),
                          (self._self_signed(relay.folder), "TLSV1_ALERT_UNKNOWN_CA", "self-signed")]
                for i, (pair, alert, words) in enumerate(tried):
                    self.assertEqual(open_path(relay.port, path, alpn, pair, ask=False), ("alert", alert), pair)
                    rows = self.wait_for_rows(relay, "tls.refused", i + 1)
                    self.assertEqual(len(rows), i + 1)
                    self.assertIn(words, rows[-1])
                    digest = x509.load_pem_x509_certificate(pair[0].read_bytes()).fingerprint(hashes.SHA256()).hex(":")
                    self.assertIn(digest.upper(), rows[-1])
                # Right in every way, but nobody's; an administrator's whom nobody added; none at all; the room's own.
                own = relay.rooms["a"]
                shown = [ours.issue(relay.folder, "forged"), self._signed(relay, "administrator", "tanaka"), None,
                         (own.cert, own.key)]
                answers = [open_path(relay.port, path, alpn, pair, ask=pair or path != "/v1/media") for pair in shown]
                statuses = [re.sub(r"^HTTP/1.1 (\d+).*", r"\1", answer) if kind == "status" else kind
                            for kind, answer in answers]
                # 101: and then told in words that the directory does not know it.
                if path == "/v1/media":
                    self.assertNotIn("101", statuses[:2], answers)
                    self.assertEqual(statuses[2:], ["alert", "101"], answers)
                    rows = self.wait_for_rows(relay, "tunnel.refused", 2)
                    self.assertEqual(["it is no room's" in r for r in rows], [True, False], rows)
                    self.assertIn("an administrator's certificate opens no tunnel", rows[1])
                else:
                    self.assertEqual(statuses, {"/v1/control": ["101", "403", "401", "101"],
                                                "/v1/admin": ["403", "101", "401", "403"]}[path], answers)
                self.assertEqual(relay.ask("room", "list")["rooms"], before, "nothing has changed")

    def _self_signed(self, folder):
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = build("kaku-1", key.public_key(), None, key)
        (folder / "self.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        (folder / "self.key").write_bytes(key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        return folder / "self.crt", folder / "self.key"

    def _question(self, relay, question, user=None):
        """The signer's answer, asked as another user if need be."""
        script = ("import socket,sys\ns=socket.socket(socket.AF_UNIX)\ns.settimeout(20)\ns.connect(sys.argv[1])\n"
                  "try: s.sendall(sys.stdin.buffer.read())\nexcept BrokenPipeError: pass  # refused before it is asked\n"
                  "print(s.makefile().readline())")
        done = subprocess.run(["/usr/bin/python3", "-c", script, str(relay.authority.socket)], input=question + "\n",
                              capture_output=True, text=True, timeout=30, user=user)
        return json.loads(done.stdout) if done.returncode == 0 else {"error": done.stderr}

    def _signed(self, relay, kind, name_of):
        room = Room(relay.folder, f"{kind}-{name_of}").make_request()
        answer = self._question(relay, json.dumps({"kind": kind, "id": name_of, "csr": room.csr.read_text()}))
        room.cert.write_text(answer["certificate"])
        return room.cert, room.key

    async def test_revocation_ends_an_open_tunnel(self):
        with Relay() as relay:
            relay.import_agenda(event("now", "ab"))
            async with relay.client("a") as a, relay.tunnel("a") as tunnel, relay.tunnel("b") as other:
                joined = await a.join("kaku/now", offer(), LINES)
                ufrag, pwd = credentials(joined["answer"])
                await tunnel.send(stun_request(f"{ufrag}:abcd", pwd)[0])
                await tunnel.receive()
                began = time.monotonic()
                await asyncio.to_thread(relay.ctl, "room", "revoke", "a")
                with self.assertRaises(ENDS):
                    while True:
                        await asyncio.wait_for(tunnel.receive(), 5)
                self.assertLess(time.monotonic() - began, 5)
                self.assertFalse(other._socket.closed, "another room's tunnel goes on")
            own = relay.rooms["a"]
            self.assertNotIn("101", open_path(relay.port, *TUNNEL, (own.cert, own.key))[1])

    def test_a_replaced_certificate_does_not_enter(self):
        with Relay(rooms=("a",)) as relay:
            room = relay.rooms["a"]
            old = relay.folder / "old.crt"
            old.write_text(room.cert.read_text())
            relay.enrol(room, "--replace")
            self.assertNotEqual(old.read_text(), room.cert.read_text())
            self.assertNotIn("101", open_path(relay.port, *TUNNEL, (old, room.key))[1])
            self.assertIn("101", open_path(relay.port, *TUNNEL, (room.cert, room.key))[1])

    def test_the_signer_away_and_back(self):
        with Relay(rooms=("a",)) as relay:
            self.assertEqual(relay.authority.stop(), 0)
            before = relay.ask("room", "list")["rooms"]
            with self.assertRaises(AssertionError) as refused:
                relay.enrol(relay.rooms["a"], "--replace")
            self.assertRegex(str(refused.exception), r"the signer does not answer at \S+signer.sock .*start kaigi-signer")
            self.assertEqual(relay.ask("room", "list")["rooms"], before)
            relay.authority.start()
            relay.enrol(relay.rooms["a"], "--replace")
            log = [json.loads(line) for line in (relay.authority.signer / "signed.log").read_text().splitlines()]
            self.assertEqual([(row["kind"], row["subject"]) for row in log], [("room", "a"), ("room", "a")])
            self.assertNotIn("PRIVATE", relay.authority.log.read_text() + relay.log())

    @unittest.skipUnless(os.geteuid() == 0, "needs two users")
    def test_only_the_named_user_may_ask(self):
        with Relay(rooms=("a",)) as relay:
            for folder in (relay.folder, relay.state):
                folder.chmod(0o755)
            self.assertIn("Permission denied", self._question(relay, '{"kind":"status"}', "nobody")["error"])
            relay.authority.stop()
            relay.authority.start("--allow-user", "daemon")
            self.assertIn("may not ask", self._question(relay, '{"kind":"status"}', "nobody")["error"])
            self.assertTrue(self._question(relay, '{"kind":"status"}', "daemon")["ok"])
            self._strangers_hold_nobody_up(relay)

    def _strangers_hold_nobody_up(self, relay):
        """As many silent ones as wait at once: the one who may ask is answered as if they were not there."""
        script = ("import socket,sys\nheld=[socket.socket(socket.AF_UNIX) for _ in range(15)]\n"
                  "for s in held: s.connect(sys.argv[1])\nprint('there', flush=True)\nsys.stdin.read()")
        with subprocess.Popen(["/usr/bin/python3", "-c", script, str(relay.authority.socket)], user="nobody",
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as strangers:
            self.assertEqual(strangers.stdout.readline(), "there\n")
            began = time.monotonic()
            with socket.socket(socket.AF_UNIX) as own:
                own.settimeout(20)
                own.connect(str(relay.authority.socket))
                own.sendall(b'{"kind":"status"}\n')
                self.assertTrue(json.loads(own.makefile().readline())["ok"])
            self.assertLess(time.monotonic() - began, 0.7)
            strangers.stdin.close()

    def test_a_new_issuing_authority(self):
        """Certificates of the old one stay good, those of the new one are too; the relay's own chain follows."""
        with Relay() as relay:
            done = subprocess.run(relay.authority.words("issue"), capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 0, done.stderr)
            relay.authority.stop()
            relay.authority.start()
            relay.process.send_signal(1)
            relay.enrol(relay.rooms["b"], "--replace")
            relay.ctl("ca", "server", "--address", "127.0.0.1")
            relay.process.send_signal(1)
            issuers = {}
            for room in relay.rooms.values():
                issuers[room.name] = x509.load_pem_x509_certificate(room.cert.read_bytes()).issuer
                deadline = time.monotonic() + 10
                while "101" not in (seen := open_path(relay.port, *TUNNEL, (room.cert, room.key), relay.ca))[1]:
                    self.assertLess(time.monotonic(), deadline, seen)
                    time.sleep(0.1)
            self.assertNotEqual(issuers["a"], issuers["b"])
            shown = relay.ask("ca", "show")
            for part in ("root", "issuing", "relay"):
                self.assertRegex(shown[part]["fingerprint"], r"^([0-9A-F]{2}:){31}[0-9A-F]{2}$")
            self.assertRegex(relay.log(), "authority SHA-256 " + re.escape(shown["root"]["fingerprint"]))

    def _type(self, words, *lines):
        """What a command shows on a terminal of its own where these lines are typed, and its exit code."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.execv(words[0], words)
        seen = b""
        for line in (*lines, None):
            with contextlib.suppress(OSError):
                while line is None or not seen.rstrip(b" ").endswith(b":"):
                    self.assertTrue(select.select([terminal], [], [], 30)[0], seen)
                    part = os.read(terminal, 4096)
                    if not part:
                        break
                    seen += part
            if line is not None:
                os.write(terminal, line.encode() + b"\n")
                seen += b"|"
        os.close(terminal)
        return seen.decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def test_the_passphrase_is_asked_twice_and_not_shown(self):
        with tempfile.TemporaryDirectory(prefix="kaigi-typed-") as name_of:
            folder = pathlib.Path(name_of)
            words = [w for w in Authority(BUILD, folder, folder / "state").words("init", "--address", "127.0.0.1")]
            words = words[:words.index("--passphrase-file")]
            for lines, says in ((("too short",), "at least 12 characters"), (("long enough to be", "but different!"), "differ")):
                seen, code = self._type(words, *lines)
                self.assertEqual(code, 1, seen)
                self.assertIn(says, seen)
                self.assertFalse((folder / "root/root.key").exists())
            seen, code = self._type(words, "long enough to be", "long enough to be")
            self.assertEqual(code, 0, seen)
            self.assertNotIn("long enough", seen, "it is not echoed")
            self.assertIn("root (devices pin it)", seen)
            key = (folder / "root/root.key").read_bytes()
            self.assertTrue(serialization.load_pem_private_key(key, b"long enough to be"))
            done = subprocess.run(words, capture_output=True, text=True, timeout=60, start_new_session=True)
            self.assertIn("no terminal to ask", done.stderr)

    async def test_a_state_folder_of_before_the_signer(self):
        """One authority whose key lay with the relay: it goes on, says where the key belongs, and signs from there."""
        with Relay(rooms=()) as relay:
            relay.stop()
            relay.authority.stop()
            old = Issuer.new("Kaigi CA")
            certificate, key = old.issue(relay.folder, "old", purpose=SERVER,
                                         names=[x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
            certificate.rename(relay.state / "relay.crt")
            key.rename(relay.state / "relay.key")
            (relay.state / "issuing.crt").unlink()
            (relay.state / "ca.crt").write_bytes(old.certificate.public_bytes(serialization.Encoding.PEM))
            (relay.state / "ca.key").write_bytes(old.key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
            (relay.state / "ca.key").chmod(0o600)
            relay.start()
            self.assertRegex(relay.log(), r"ca.key is an earlier release's authority.*issuing.key.*\[relay.old-key\]")
            (relay.state / "ca.key").rename(relay.authority.signer / "issuing.key")
            (relay.authority.signer / "issuing.crt").write_bytes((relay.state / "ca.crt").read_bytes())
            relay.authority.start()
            relay.rooms["a"] = Room(relay.folder, "a")
            relay.enrol(relay.rooms["a"])
            async with relay.client("a"):
                pass

    async def test_own_chain_and_foreign_devices(self):
        """root → sub → server with an address in its certificate; devices of the same authority are known, and nobody's."""
        with Relay(rooms=("a",)) as relay:
            root = Issuer.new("lgpki root")
            sub = Issuer.new("lgpki sub", root)
            pair = sub.issue(relay.folder, "chain", purpose=SERVER, chain=[sub.certificate],
                             names=[x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
            (relay.folder / "lgpki.pem").write_bytes(root.certificate.public_bytes(serialization.Encoding.PEM))
            relay.stop()
            relay.settings = "[tls]\ncertificate=chain.crt\nkey=chain.key\nclient-ca=lgpki.pem\n"
            relay.start()
            async with relay.client("a", ca=relay.folder / "lgpki.pem"):
                pass
            with self.assertRaises(ssl.SSLCertVerificationError):
                await relay.client("a").connect()
            ends = relay.ask("status")["certificates"]
            self.assertEqual([ends[part]["ends_soon"] for part in ("relay", "issuing", "root")], [True, False, False])
            self.assertIn("chain.crt expires in less than 30 days", relay.log())
            self.assertIn("WARNING: less than 30 days are left of the relay's certificate", relay.ctl("status").stdout)
            device = sub.issue(relay.folder, "device", chain=[sub.certificate])
            self.assertIn("101", open_path(relay.port, *CONTROL, device)[1], "and is told that it is nobody's")
            self.assertNotIn("101", open_path(relay.port, *TUNNEL, device)[1])


if __name__ == "__main__":
    unittest.main(verbosity=2)
