"""Reads a capture of a room's network and fails unless every packet goes to or comes from the relay's one address and
port, and no media can be read in it. Usage: check_capture.py FILE ADDRESS PORT closed|tunnel"""
import subprocess
import sys

capture, relay, port, mode = sys.argv[1:]


def fields(display_filter, *names):
    command = ["tshark", "-n", "-r", capture, "-Y", display_filter, "-T", "fields"]
    for name in names:
        command += ["-e", name]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [line.split("\t") for line in done.stdout.splitlines()]


def keyframe(payload):
    """Is this VP8 in plain RTP? The start code of a keyframe stands right behind the payload descriptor."""
    data = bytes.fromhex(payload.replace(":", ""))
    if len(data) < 40 or data[0] >> 6 != 2:
        return False
    at = 12 + 4 * (data[0] & 15)
    if data[0] & 0x10:
        at += 4 + 4 * int.from_bytes(data[at + 2:at + 4], "big")
    return b"\x9d\x01\x2a" in data[at:at + 16]


strangers = [row for row in fields(
    f"not (arp or icmpv6) and not (ip.addr == {relay} and (tcp.port == {port} or udp.port == {port}))",
    "frame.protocols", "ip.src", "ip.dst", "ipv6.dst", "udp.dstport", "tcp.dstport")]
assert not strangers, f"{len(strangers)} packets went elsewhere: {strangers[:5]}"
datagrams = fields(f"udp.port == {port}", "udp.payload")
segments = fields(f"tcp.port == {port}", "frame.number")
assert len(segments) > 20, "no control connection was captured: the test saw nothing"
if mode == "tunnel":
    assert not datagrams, f"{len(datagrams)} UDP packets although all was to go by TLS"
else:
    assert len(datagrams) > 200, f"only {len(datagrams)} UDP packets: the meeting was not captured"
readable = sum(keyframe(row[0]) for row in datagrams)
assert readable == 0, f"{readable} packets carry readable pictures"
print(f"{len(datagrams)} UDP packets and {len(segments)} TCP segments, all to or from {relay}:{port}, none readable")
