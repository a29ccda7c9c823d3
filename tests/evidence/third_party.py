"""Verify signed reports with openssl and Python's standard library alone, as docs/evidence.md says.

    python third_party.py PUBLIC.pem FILE...        the files in the order of their chain

Written from the specifications of DSSE and in-toto, not from restic-verify: it shares no line with
it and imports nothing of it or of what it uses. Prints the verdict of each report.
"""

import base64
import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile


def holds(public_key: str, payload_type: str, payload: bytes, signature: bytes) -> bool:
    """Ask openssl whether an ed25519 signature over the DSSE encoding holds."""
    kind = payload_type.encode()
    encoded = b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "encoded").write_bytes(encoded)
        (folder / "signature").write_bytes(signature)
        ended = subprocess.run(
            [
                *("openssl", "pkeyutl", "-verify", "-pubin", "-inkey", public_key, "-rawin"),
                *("-in", folder / "encoded", "-sigfile", folder / "signature"),
            ],
            check=False,
            capture_output=True,
        )
    return ended.returncode == 0


def main(public_key: str, *files: str) -> int:
    """Check signatures, types, digests and the chain; 0 where all of it holds."""
    previous = None
    for number, file in enumerate(files, 1):
        content = pathlib.Path(file).read_bytes()
        envelope = json.loads(content)
        payload = base64.b64decode(envelope["payload"], validate=True)
        signature = base64.b64decode(envelope["signatures"][0]["sig"], validate=True)
        if not holds(public_key, envelope["payloadType"], payload, signature):
            sys.stdout.write(f"{file}: the signature does not hold\n")
            return 1
        statement = json.loads(payload)
        predicate = statement["predicate"]
        report = json.dumps(predicate["report"], sort_keys=True, separators=(",", ":")).encode()
        told = {subject["name"]: subject["digest"] for subject in statement["subject"]}
        if (
            envelope["payloadType"] != "application/vnd.in-toto+json"
            or statement["_type"] != "https://in-toto.io/Statement/v1"
            or statement["predicateType"] != "urn:restic-verify:signed-report:v1"
            or told["report"] != {"sha256": hashlib.sha256(report).hexdigest()}
            or (predicate["sequence"], predicate["previous"]) != (number, previous)
        ):
            sys.stdout.write(f"{file}: it is not number {number} of this chain\n")
            return 1
        previous = hashlib.sha256(content).hexdigest()
        sys.stdout.write(f"{number} {predicate['report']['verdict']}\n")
    sys.stdout.write(f"{previous}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
