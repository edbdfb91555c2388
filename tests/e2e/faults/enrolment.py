#!/usr/bin/python3
"""A device without a certificate: its code, the approval, home. And the next certificate, long before the first ends."""
import base64
import contextlib
import hashlib
import http.client
import json
import re
import shutil
import sqlite3
import ssl
import stat
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from away import sign_again
from proxy import Proxy
from world import NAMES, Room, World, main, run, until

CODE = r"code is ([0-9A-Z-]{11}) \(serial \S+, key ([0-9A-F:]{95})\).* \[app\.enrolment-code\]"


def new_device(world, name, **options):
    """As it comes out of its box: settings and the authority, no key."""
    room = world.rooms[name] = Room(world, name)
    room.folder.mkdir()
    shutil.copy(world.relay.state / "ca.crt", room.folder / "ca.crt")
    room.configure(**options)
    return room


def code_of(fingerprint):
    """The first 45 bits of the key's hash, in Crockford's base32."""
    bits = int(fingerprint.replace(":", "")[:12], 16) >> 3
    code = "".join("0123456789ABCDEFGHJKMNPQRSTVWXYZ"[bits >> shift & 31] for shift in range(40, -1, -5))
    return f"{code[:3]}-{code[3:6]}-{code[6:]}"


def key_of(certificate):
    """SHA-256 of its public key, as the screen shows it."""
    spki = x509.load_pem_x509_certificate(certificate.read_bytes()).public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).digest().hex(":").upper()


def strangers_code(world):
    """A request of another device at this address; its code."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "other")])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    body = base64.encodebytes(request.public_bytes(serialization.Encoding.DER))
    with contextlib.closing(http.client.HTTPSConnection(
            world.address, world.relay.port, timeout=10,
            context=ssl.create_default_context(cafile=world.relay.state / "ca.crt"))) as relay:
        relay.request("POST", "/.well-known/est/simpleenroll", body, {"Content-Type": "application/pkcs10"})
        answer = relay.getresponse()
        text = answer.read().decode()
    assert answer.status == 202, text
    return re.search("[0-9A-Z]{3}-[0-9A-Z]{3}-[0-9A-Z]{3}", text)[0]


def shown_code(a, since=0):
    code, fingerprint = a.expect(CODE, since).groups()
    assert code == code_of(fingerprint), (code, fingerprint)
    return code, fingerprint


def approve(world, code, *words):
    organization, department, title = NAMES["room-a"]
    return world.relay.ctl("room", "enrol", code, "--room", "room-a", "--organization", organization, "--department",
                           department, "--name", title, *words)


def enrolled():
    """From the box to home, with the relay away in between."""
    with World(rooms=("room-b",)) as world:
        a = new_device(world, "room-a")
        a.start()
        code, fingerprint = shown_code(a)
        a.expect(r"\[app\.enrolment-waiting\]")
        a.shot("enrolment")
        assert not a.targets(), "there is nothing to touch"
        waiting = world.relay.must("room", "pending")
        assert code in waiting and fingerprint in waiting, waiting
        assert not (a.folder / "room.key").exists(), "the key is kept before it is worth anything"

        since = a.mark()
        world.relay.stop()
        a.expect(r"\[app\.enrolment-failed\]", since, 30)
        a.shot("enrolment-away")
        world.relay.start()
        a.expect(r"\[app\.enrolment-waiting\]", since, 40)
        assert b"[app.enrolment-code]" not in a.log_path.read_bytes()[since:], "the code changed"

        assert approve(world, "000-000-000", "--yes").returncode != 0
        done = approve(world, code, "--yes")
        assert done.returncode == 0, done.stdout + done.stderr
        a.expect(r"\[app\.enrolled\]", since, 30)
        world.agenda("room-a", "room-b")
        a.wait_for("home.join", 30)
        for name in ("room.key", "room.crt"):
            assert stat.S_IMODE((a.folder / name).stat().st_mode) == 0o600, name
        assert key_of(a.folder / "room.crt") == fingerprint, "the certificate is another key's"
        assert not [f.name for f in a.folder.iterdir() if f.suffix in (".new", ".old")]
        a.join()
        a.touch("meeting.leave")
        assert a.stop() == 0
        a.start()
        a.wait_for("home.join")


def refused():
    """Wrong authority, then a person who says no, then a new code by touch."""
    with World(rooms=("room-b",)) as world:
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", world.folder / "other.key", "-out",
            world.folder / "other.crt", "-days", "10", "-subj", "/CN=other", check=True)
        a = new_device(world, "room-a", ca="../other.crt")
        a.start()
        a.wait_for("error.retry")
        assert "error.home" not in a.targets(), "there is no home yet"
        a.expect(r"tls-untrusted: .* \[app\.enrolment-failed\]")
        a.shot("enrolment-untrusted")
        assert not world.relay.must("room", "pending").strip().startswith(tuple("0123456789ABCDEFGHJKMNPQRSTVWXYZ")), \
            "a stranger has got the request"
        assert a.stop() == 0
        a.configure()
        since = a.mark()
        a.start()
        code, _ = shown_code(a, since)
        a.expect(r"\[app\.enrolment-waiting\]", since)
        world.relay.must("room", "reject", code)
        a.expect(r"\[app\.enrolment-rejected\]", since, 30)
        a.wait_for("enrolment.again")
        a.shot("enrolment-rejected")
        since = a.mark()
        a.touch("enrolment.again")
        again, _ = shown_code(a, since)
        assert again != code
        a.expect(r"\[app\.enrolment-waiting\]", since)


def hindered():
    """One thing in the way after the other: a clock that is behind, a proxy that is away, a relay where too many wait. Each
    has its page, which goes by itself once the cause is gone, or sooner by touch."""
    with World(rooms=("room-b",)) as world, Proxy(world) as proxy:
        codes = [strangers_code(world) for _ in range(8)]
        a = new_device(world, "room-a")
        proxy.serves(a)
        (a.folder / "state").mkdir(mode=0o700)
        (a.folder / "state/clock").write_text(f"{int(time.time()) + 5}\n")
        a.start()
        a.expect(r"tls-not-yet-valid: .* \[app\.enrolment-failed\]")
        a.wait_for("error.retry")
        assert "error.home" not in a.targets(), "there is no home yet"
        a.shot("enrolment-clock")

        a.expect(r"proxy-unreachable: .* \[app\.enrolment-failed\]", seconds=40)
        a.wait_for("error.retry")
        a.shot("enrolment-proxy-away")
        assert len(json.loads(world.relay.must("room", "pending", "--json"))["devices"]) == 8
        proxy.start()
        a.touch("error.retry")
        a.expect(r"\[app\.enrolment-busy\]")
        until(lambda: "error.retry" not in a.targets(), "the page of enrolment")
        a.shot("enrolment-full")

        code, _ = shown_code(a)
        assert code not in world.relay.must("room", "pending")
        world.relay.must("room", "reject", codes[3])
        a.expect(r"\[app\.enrolment-waiting\]", seconds=40)
        done = approve(world, code, "--yes")
        assert done.returncode == 0, done.stdout + done.stderr
        world.agenda("room-a", "room-b")
        a.wait_for("home.join", 30)


def renewed():
    """A certificate of which nine days are left: a new one with a new key, and the old one is of no use any more."""
    with World(rooms=("room-a",)) as world:
        a, relay = world.rooms["room-a"], world.relay
        own = a.folder / "room.crt"
        relay.stop()
        before = x509.load_pem_x509_certificate(own.read_bytes()).fingerprint(hashes.SHA256())
        sign_again(own, world.authority.signer, -81, 9)
        old = x509.load_pem_x509_certificate(own.read_bytes())
        with sqlite3.connect(relay.state / "kaigi.db") as db:
            for table in ("room", "certificate"):
                changed = db.execute(f"UPDATE {table} SET fingerprint = ? WHERE fingerprint = ?",
                                     (old.fingerprint(hashes.SHA256()), before))
                assert changed.rowcount == 1, table
        db.close()
        # First without the relay: it fails, is said, and home tells of the end.
        since = a.mark()
        a.start()
        a.expect(r"\[app\.renewal-failed\]", since, 30)
        a.shot("renewal-failed")
        assert a.stop() == 0
        relay.start()
        since, old_key = a.mark(), key_of(own)
        a.start()
        a.expect(r"\[app\.renewed\]", since, 30)
        a.expect(r"\[app\.identity-confirmed\]", since, 30)
        a.wait_for("home.join")
        new = x509.load_pem_x509_certificate(own.read_bytes())
        assert key_of(own) != old_key and new.not_valid_after > old.not_valid_after
        assert not [f.name for f in a.folder.iterdir() if f.suffix in (".new", ".old")]
        a.join()
        a.touch("meeting.leave")


if __name__ == "__main__":
    main(enrolled, refused, hindered, renewed)
