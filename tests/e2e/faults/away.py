#!/usr/bin/python3
"""The relay cannot be reached or trusted, or does not want this room. The home screen keeps the agenda and says why;
joining ends on a page with cause and remedy; when the cause is gone the room is there again by itself."""
import datetime
import shutil
import socket
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from world import Room, World, main, run, until


def sign_again(certificate, signer, begin, end):
    """The same certificate of the same authority (in the signer's folder), valid from begin to end (days from now)."""
    now = datetime.datetime.now(datetime.timezone.utc)
    old = x509.load_pem_x509_certificate(certificate.read_bytes())
    issuer = (signer / "issuing.crt").read_bytes()
    ca = x509.load_pem_x509_certificate(issuer)
    key = serialization.load_pem_private_key((signer / "issuing.key").read_bytes(), None)
    new = (x509.CertificateBuilder().subject_name(old.subject).issuer_name(ca.subject).public_key(old.public_key())
           .serial_number(old.serial_number).not_valid_before(now + datetime.timedelta(days=begin))
           .not_valid_after(now + datetime.timedelta(days=end)))
    for extension in old.extensions:
        new = new.add_extension(extension.value, extension.critical)
    certificate.write_bytes(new.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM) + issuer)


def with_agenda(world):
    """Room A has seen the relay once."""
    a = world.rooms["room-a"]
    a.start()
    a.wait_for("home.join")
    a.stop()
    return a


def meets(a, name, code, words):
    """Started into the trouble: agenda and state on the home screen, the page after a touch."""
    since = a.mark()
    a.start()
    a.wait_for("home.join")
    a.expect(rf"{words}.* \[app\.relay-away\]", since, 20)
    time.sleep(0.3)
    a.shot(f"away-{name}-home")
    a.touch("home.join")
    a.page_says(code, since)
    a.shot(f"away-{name}")
    assert a.log_path.read_bytes()[since:].count(b"[app.relay-away]") <= 3, "the log repeats itself"


def recovers(a):
    """From the page to the home screen without a touch, connected."""
    since = a.mark()
    a.expect(r"\[app\.relay-back\]", since, 30)
    a.wait_for("home.join", 30)
    a.stop()


def unreachable():
    with World(rooms=("room-a",)) as world:
        a = with_agenda(world)
        world.relay.stop()
        meets(a, "refused", "K-102", "unreachable: 127.0.0.1 port \\d+ does not accept a connection")
        world.relay.start()
        recovers(a)
        a.configure(host="relay.invalid")
        meets(a, "name", "K-101", "name: relay.invalid")
        a.stop()
        # A black hole: a listener whose queue is full answers nobody.
        with socket.socket() as hole:
            hole.bind(("127.0.0.1", 0))
            hole.listen(0)
            full = [socket.socket() for _ in range(3)]
            for s in full:
                s.setblocking(False)
                s.connect_ex(hole.getsockname())
            a.configure(port=hole.getsockname()[1])
            meets(a, "black-hole", "K-102", "unreachable: 127.0.0.1 port \\d+ does not accept a connection")
            a.stop()
            for s in full:
                s.close()


def untrusted():
    with World(rooms=("room-a",)) as world:
        a, state = with_agenda(world), world.relay.state
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", world.folder / "other.key", "-out",
            a.folder / "other.crt", "-days", "10", "-subj", "/CN=other", check=True)
        a.configure(ca="other.crt")
        meets(a, "wrong-ca", "K-103", "tls-untrusted: ")
        a.stop()
        a.configure()
        own, server = a.folder / "room.crt", state / "relay.crt"
        good = own.read_bytes(), server.read_bytes()
        sign_again(own, world.authority.signer, -30, -1)
        meets(a, "own-expired", "K-201", "rejected-expired: ")
        own.write_bytes(good[0])
        recovers(a)
        for name, code, words, begin, end in (("relay-expired", "K-104", "tls-expired: ", -30, -1),
                                              ("clock", "K-203", "tls-not-yet-valid: ", 2, 30)):
            world.relay.stop()
            sign_again(server, world.authority.signer, begin, end)
            world.relay.start()
            meets(a, name, code, words)
            if name == "clock":
                server.write_bytes(good[1])
                world.relay.stop()
                world.relay.start()
                recovers(a)
            else:
                a.stop()
        assert "expire" in world.relay.log(), "the relay does not say that its own certificate has expired"


def expired_in_meeting():
    """The room's certificate runs out in a meeting and the relay restarts: the meeting's page says why it does not come
    back, and comes back with the new certificate."""
    with World() as world:
        a, b = world.meet()
        own, since = a.folder / "room.crt", a.mark()
        good = own.read_bytes()
        sign_again(own, world.authority.signer, -30, -1)
        world.relay.stop()
        world.relay.start()
        a.expect(r"rejected-expired: .*\[app\.relay-away\]", since)
        time.sleep(0.3)
        a.shot("expired-in-meeting")
        a.wait_for("meeting.leave")
        own.write_bytes(good)
        until(lambda: world.relay.media_flows("room-a", "room-b"), "room A is back", 20)


def revoked():
    with World() as world:
        a, b = world.meet()
        since = a.mark()
        world.relay.must("room", "revoke", "room-a")
        a.page_says("K-202", since)
        a.shot("revoked-in-meeting")
        until(lambda: list(world.relay.parties()) == ["room-b"], "only room B is there")
        a.touch("error.home")
        a.wait_for("home.join")
        time.sleep(2)
        assert "home.join" in a.targets(), "the page comes back by itself"
        a.shot("revoked-home")
        a.stop()
        since = a.mark()
        a.start()
        a.expect(r"the relay says revoked: .*enrol the room again", since)
        a.touch("home.join")
        a.page_says("K-202", since)


def twin():
    """A second terminal with the same certificate: the first one says so and does not fight for the place."""
    with World() as world:
        a, b = world.meet()
        twin = world.rooms["twin"] = Room(world, "twin")
        shutil.copytree(a.folder, twin.folder, ignore=shutil.ignore_patterns("tap"))
        since = a.mark()
        twin.start("--join", "auto")
        a.page_says("K-204", since)
        a.shot("twin-first")
        twin.wait_for("meeting.leave")
        until(lambda: world.relay.media_flows("room-a", "room-b"), "the second one meets")
        time.sleep(3)
        assert world.relay.log().count("[session.replaced]") == 1, "the two terminals fight"


if __name__ == "__main__":
    main(unreachable, untrusted, expired_in_meeting, revoked, twin)
