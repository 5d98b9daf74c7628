#!/usr/bin/env python3
"""Makes the MCPB bundle and the entry for the MCP registry: bundle.py PROGRAM VERSION TARGET FOLDER."""

import hashlib
import json
import os
import sys
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main(program: str, version: str, target: str, folder: str) -> None:
    name = f"countersign-{version}-{target}.mcpb"
    manifest = json.loads((ROOT / "packaging/mcpb/manifest.json").read_text())
    manifest["version"] = version
    bundle = Path(folder) / name
    with zipfile.ZipFile(bundle, "w", zipfile.ZIP_DEFLATED) as archive:
        add(archive, "manifest.json", json.dumps(manifest, indent=2).encode(), 0o644)
        add(archive, "countersign", Path(program).read_bytes(), 0o755)
        for text in ("LICENSE", "NOTICE", "README.md"):
            add(archive, text, (ROOT / text).read_bytes(), 0o644)

    entry = json.loads((ROOT / "packaging/server.json").read_text())
    entry["version"] = version
    package = entry["packages"][0]
    package["identifier"] = f"https://countersign.dev/releases/{version}/{name}"
    package["fileSha256"] = hashlib.sha256(bundle.read_bytes()).hexdigest()
    (Path(folder) / "server.json").write_text(json.dumps(entry, indent=2) + "\n")


def add(archive: zipfile.ZipFile, name: str, content: bytes, mode: int) -> None:
    """Adds a file with the time of the commit, so that the same sources give the same bundle."""
    when = time.gmtime(int(os.environ["SOURCE_DATE_EPOCH"]))[:6]
    entry = zipfile.ZipInfo(name, when)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = (0o100000 | mode) << 16
    archive.writestr(entry, content)


if __name__ == "__main__":
    main(*sys.argv[1:])
