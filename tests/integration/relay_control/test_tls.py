#!/usr/bin/python3
"""What Debian's testssl.sh says of the relay's TLS port: nothing above low, but for what a closed network cannot have."""
import json
import subprocess
import sys
import tempfile
import pathlib

from harness import Relay

HARMLESS = {"OK", "INFO", "LOW", "DEBUG"}
ACCEPTED = {
    # Devices pin the authority and reach nobody who could serve a list: the relay's certificate is replaced, not revoked.
    "cert_revocation",
}
# Protocols, ciphers, forward secrecy, preferences, certificate, HTTP header, every known vulnerability.
CHECKS = ("-p", "-s", "-f", "-P", "-S", "-h", "-U")


def main():
    with Relay(rooms=()) as relay, tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "findings.json"
        done = subprocess.run(["testssl", "--quiet", "--color=0", "--warnings=off", f"--add-ca={relay.ca}", f"--jsonfile={out}",
                               *CHECKS, f"127.0.0.1:{relay.port}"], capture_output=True, text=True, timeout=400, check=False)
        if not out.exists():
            sys.exit(f"testssl ended with {done.returncode}: {done.stdout}{done.stderr}")
        findings = json.loads(out.read_text())
    ids = {finding["id"] for finding in findings}
    # It did look: else an empty list would pass.
    for id in ("TLS1", "TLS1_3", "cert_chain_of_trust", "heartbleed", "cipherlist_NULL"):
        if id not in ids:
            sys.exit(f"testssl did not test {id}: {sorted(ids)}")
    bad = [f for f in findings if f["severity"] not in HARMLESS and f["id"] not in ACCEPTED]
    for finding in bad:
        print(finding["severity"], finding["id"], finding["finding"])
    print(f"{len(findings)} findings, {len(bad)} above low")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
