"""Reads a capture of a room's network and fails unless every packet goes to or comes from the relay's one address and
port, and no media can be read in it. Usage: check_capture.py FILE ADDRESS PORT closed|tunnel, or --self-test"""
import collections
import os
import struct
import subprocess
import sys

# SRTP leaves the header readable; what follows must look like chance. A codec's payload does not: each packet begins
# with the same few bytes (Opus's TOC, VP8's descriptor), and what its arithmetic coder leaves is not quite even.
PACKETS_TO_JUDGE = 30
LARGEST_CHI_SQUARE = 255 + 10 * (2 * 255) ** 0.5  # 255 degrees of freedom: ten standard deviations above the mean
LARGEST_SHARE = 0.2  # of packets with the same byte at one place; chance gives 1 in 256
FIRST_BYTES = 4


def fields(capture, display_filter, *names):
    command = ["tshark", "-n", "-r", capture, "-Y", display_filter, "-T", "fields"]
    for name in names:
        command += ["-e", name]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [line.split("\t") for line in done.stdout.splitlines()]


def rtp(data):
    """SSRC and payload, or None for what is no RTP (RFC 7983; RTCP by its type, RFC 5761)."""
    if len(data) < 13 or data[0] >> 6 != 2 or 192 <= data[1] <= 223:
        return None
    at = 12 + 4 * (data[0] & 15)
    if data[0] & 0x10:
        at += 4 + 4 * int.from_bytes(data[at + 2:at + 4], "big")
    return int.from_bytes(data[8:12], "big"), data[at:]


def keyframe(payload):
    """Is this VP8? The start code of a keyframe stands right behind the payload descriptor."""
    return len(payload) > 16 and b"\x9d\x01\x2a" in payload[:16]


def chi_square(data):
    counts, expected = collections.Counter(data), len(data) / 256
    return sum((counts[value] - expected) ** 2 for value in range(256)) / expected


def why_readable(payloads):
    """What gives one source's payloads away, or None."""
    keyframes = sum(map(keyframe, payloads))
    if keyframes:
        return f"{keyframes} pictures can be read"
    if len(payloads) < PACKETS_TO_JUDGE:
        return None
    for place in range(FIRST_BYTES):
        values = collections.Counter(payload[place] for payload in payloads if len(payload) > place)
        value, times = values.most_common(1)[0] if values else (0, 0)
        if times > LARGEST_SHARE * len(payloads):
            return f"byte {place} is {value:#04x} in {times} of {len(payloads)} packets"
    even = chi_square(b"".join(payloads))
    return f"chi square {even:.0f} of 256 byte values: not random" if even > LARGEST_CHI_SQUARE else None


def judge(datagrams):
    """The sources whose payloads were judged, and those that are readable with the reason."""
    sources = collections.defaultdict(list)
    for data in datagrams:
        packet = rtp(data)
        if packet:
            sources[packet[0]].append(packet[1])
    reasons = {ssrc: why_readable(payloads) for ssrc, payloads in sources.items()}
    judged = [ssrc for ssrc, payloads in sources.items() if len(payloads) >= PACKETS_TO_JUDGE]
    return judged, {ssrc: reason for ssrc, reason in reasons.items() if reason}


def check(capture, relay, port, mode):
    strangers = fields(
        capture, f"not (arp or icmpv6) and not (ip.addr == {relay} and (tcp.port == {port} or udp.port == {port}))",
        "frame.protocols", "ip.src", "ip.dst", "ipv6.dst", "udp.dstport", "tcp.dstport")
    assert not strangers, f"{len(strangers)} packets went elsewhere: {strangers[:5]}"
    datagrams = [bytes.fromhex(row[0].replace(":", "")) for row in fields(capture, f"udp.port == {port}", "udp.payload")]
    segments = fields(capture, f"tcp.port == {port}", "frame.number")
    assert len(segments) > 20, "no control connection was captured: the test saw nothing"
    longest = max(map(len, datagrams), default=0)
    assert longest <= 1472, f"a datagram of {longest} bytes: the capture shows bundles, whose headers are not random"
    judged, readable = judge(datagrams)
    if mode == "tunnel":
        assert not datagrams, f"{len(datagrams)} UDP packets although all was to go by TLS"
    else:
        assert len(datagrams) > 200, f"only {len(datagrams)} UDP packets: the meeting was not captured"
        assert len(judged) >= 4, f"only {len(judged)} sources: both rooms' sound and picture were to be judged"
    assert not readable, f"readable: {readable}"
    print(f"{len(datagrams)} UDP packets and {len(segments)} TCP segments, all to or from {relay}:{port}; "
          f"{len(judged)} sources of RTP, none readable")


# --- does it see anything? -----------------------------------------------------------------------------------------


def packets_of(*pipeline):
    """What a GStreamer pipeline makes of its source, as RTP packets (framed by RFC 4571 on the way here)."""
    done = subprocess.run(["gst-launch-1.0", "-q", *" ! ".join([*pipeline, "rtpstreampay", "fdsink fd=1"]).split()],
                          capture_output=True, check=True, timeout=60)
    packets, at = [], 0
    while at + 2 <= len(done.stdout):
        size = struct.unpack_from(">H", done.stdout, at)[0]
        packets.append(done.stdout[at + 2:at + 2 + size])
        at += 2 + size
    assert len(packets) > 2 * PACKETS_TO_JUDGE, f"{pipeline}: only {len(packets)} packets"
    return packets


def encrypted(packets):
    """As SRTP leaves them: header readable, then chance, with a tag of 16 bytes."""
    return [packet[:12] + os.urandom(len(packet) - 12 + 16) for packet in packets]


def self_test():
    sounds = {wave: packets_of(f"audiotestsrc num-buffers=300 samplesperbuffer=960 wave={wave}",
                               "audio/x-raw,rate=48000,channels=1", "opusenc inband-fec=true", "rtpopuspay")
              for wave in ("sine", "pink-noise", "silence", "ticks")}
    picture = packets_of("videotestsrc num-buffers=90 pattern=ball", "video/x-raw,width=320,height=180,framerate=15/1",
                         "vp8enc deadline=1 target-bitrate=300000", "rtpvp8pay mtu=1130 picture-id-mode=15-bit")
    later = [packet for packet in picture if not keyframe(rtp(packet)[1])]
    for name, packets in {**sounds, "picture": picture, "picture without keyframes": later}.items():
        judged, readable = judge(packets)
        assert len(judged) == 1 and len(readable) == 1, f"plain {name} was not recognised"
        print(f"plain {name}: {next(iter(readable.values()))}")
        assert judge(encrypted(packets)) == (judged, {}), f"encrypted {name} was taken for readable"
    # The bytes alone, where no byte stands at the same place twice.
    text = [packet[:12] + os.urandom(FIRST_BYTES) + b"a text of sixteen" * 4 for packet in picture]
    assert "chi square" in next(iter(judge(text)[1].values()))
    assert judge([b"\x00\x01" + bytes(40), b"\x16\xfe\xfd" + bytes(40), b"\x80\xc8" + bytes(40)]) == ([], {})


if sys.argv[1:] == ["--self-test"]:
    self_test()
else:
    check(*sys.argv[1:])
