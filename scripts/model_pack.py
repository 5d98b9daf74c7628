#!/usr/bin/env python3
"""Writes data/models.pack: the facts of every AWS service model in botocore, without their documentation.

    python3 scripts/model_pack.py [--check]

Needs Python 3.9 or newer and a network for the first run: it makes its own virtual environment under .cache/ with the
pinned packages below. The same packages give the same bytes; --check compares with the committed file and writes nothing.

Layout (all integers little-endian; read by src/aws/pack.rs):

    "CSMODEL1"                                    magic
    u32 length, u32 length, u32 length            of the three parts that follow
    frame directory                               plain text, one line a frame: name TAB packed length TAB unpacked length
    dictionary                                    a zstd dictionary, trained on all frames
    frames                                        zstd frames with content checksums, in the directory's order

The frames "=partitions" and "=operations" hold botocore's partitions.json and, one line an operation,
"service TAB operation TAB input member names, separated by spaces". Every other frame is a service: five sections, each
ended by an empty line: facts, operations, shapes, paginators, waiters. A section is lines "name TAB JSON" sorted by name.
"""

import gzip
import hashlib
import json
import os
import pathlib
import struct
import subprocess
import sys

BOTOCORE = "1.44.5"
ZSTANDARD = "0.25.0"
ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = ROOT / "data" / "models.pack"
VENV = ROOT / ".cache" / "model-pack"
DICTIONARY_BYTES = 112 * 1024

# What a shape, a member or an operation may say. Everything else is documentation or of use to code generators only.
REFERENCE = {
    "shape", "location", "locationName", "queryName", "flattened", "streaming", "xmlAttribute", "xmlNamespace",
    "timestampFormat", "idempotencyToken", "jsonvalue", "hostLabel", "contextParam", "eventpayload", "eventheader",
    "deprecated", "resultWrapper",
}
SHAPE = {
    "type", "members", "required", "member", "key", "value", "min", "max", "pattern", "enum", "sensitive", "union",
    "document", "streaming", "payload", "flattened", "locationName", "xmlNamespace", "xmlOrder", "xmlAttribute",
    "timestampFormat", "jsonvalue", "eventstream", "event", "exception", "error", "retryable", "requiresLength",
    "sparse", "wrapper", "deprecated",
}
OPERATION = {
    "http", "input", "output", "errors", "endpoint", "authtype", "auth", "unsignedPayload", "httpChecksum",
    "httpChecksumRequired", "idempotent", "readonly", "deprecated", "staticContextParams", "operationContextParams",
    "endpointoperation", "endpointdiscovery",
}
METADATA = {
    "apiVersion", "endpointPrefix", "globalEndpoint", "jsonVersion", "protocol", "protocols", "serviceFullName",
    "serviceAbbreviation", "serviceId", "signatureVersion", "auth", "signingName", "targetPrefix", "xmlNamespace",
    "awsQueryCompatible", "checksumFormat", "protocolSettings",
}


def keep(value, keys):
    return {key: part for key, part in value.items() if key in keys}


def shape(model):
    facts = keep(model, SHAPE)
    if "members" in facts:
        facts["members"] = {name: keep(member, REFERENCE) for name, member in facts["members"].items()}
    for part in ("member", "key", "value"):
        if part in facts:
            facts[part] = keep(facts[part], REFERENCE)
    return facts


def operation(model):
    facts = keep(model, OPERATION)
    for part in ("input", "output"):
        if part in facts:
            facts[part] = keep(facts[part], REFERENCE)
    if "errors" in facts:
        facts["errors"] = [error["shape"] for error in facts["errors"]]
    return facts


def without_documentation(value):
    if isinstance(value, dict):
        return {k: without_documentation(v) for k, v in value.items() if k not in ("documentation", "description")}
    if isinstance(value, list):
        return [without_documentation(v) for v in value]
    return value


def merge(into, extra):
    for key, value in extra.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = value


def read(path):
    for candidate, opener in ((path, open), (path.with_name(path.name + ".gz"), gzip.open)):
        if candidate.exists():
            with opener(candidate, "rb") as file:
                return json.loads(file.read())
    return None


def read_with_extras(folder, name):
    facts = read(folder / f"{name}.json")
    extra = read(folder / f"{name}.sdk-extras.json")
    if facts is not None and extra is not None:
        merge(facts, extra.get("merge", {}))
    return facts


def line(name, facts):
    assert not set(name) & {"\t", "\n", "\r"}, name
    return f"{name}\t{json.dumps(facts, separators=(',', ':'), ensure_ascii=False)}\n"


def section(entries):
    return "".join(line(name, facts) for name, facts in sorted(entries.items())) + "\n"


def service(folder):
    """The service's frame as text, and its lines of the operation index as (operation, member names)."""
    model = read_with_extras(folder, "service-2")
    facts = {"metadata": keep(model["metadata"], METADATA)}
    rules = read(folder / "endpoint-rule-set-1.json")
    if rules is not None:
        facts["endpointRules"] = without_documentation(rules)
    if "clientContextParams" in model:
        facts["clientContextParams"] = without_documentation(model["clientContextParams"])
    paginators = read_with_extras(folder, "paginators-1") or {}
    waiters = read(folder / "waiters-2.json") or {}
    text = (
        section(facts)
        + section({name: operation(o) for name, o in model["operations"].items()})
        + section({name: shape(s) for name, s in model["shapes"].items()})
        + section(without_documentation(paginators.get("pagination", {})))
        + section(without_documentation(waiters.get("waiters", {})))
    )
    index = []
    for name, facts in sorted(model["operations"].items()):
        members = model["shapes"][facts["input"]["shape"]].get("members", {}) if "input" in facts else {}
        index.append((name, list(members)))
    return text, index


def pack():
    import botocore
    import zstandard

    assert botocore.__version__ == BOTOCORE, botocore.__version__
    data = pathlib.Path(botocore.__file__).parent / "data"
    frames, index = {}, []
    for folder in sorted(path for path in data.iterdir() if path.is_dir()):
        versions = sorted(path for path in folder.iterdir() if path.is_dir())
        if not versions or read(versions[-1] / "service-2.json") is None:
            continue
        frames[folder.name], operations = service(versions[-1])
        index += [f"{folder.name}\t{name}\t{' '.join(members)}\n" for name, members in operations]
    count = len(frames)
    frames["=operations"] = "".join(index)
    frames["=partitions"] = json.dumps(without_documentation(read(data / "partitions.json")), separators=(",", ":"))

    texts = {name: text.encode() for name, text in sorted(frames.items())}
    samples = [text[:160_000] for text in texts.values()]
    dictionary = zstandard.train_dictionary(DICTIONARY_BYTES, samples, k=1024, d=8, threads=0)
    directory, packed = [], []
    for name, text in texts.items():
        window = max(17, (len(text) - 1).bit_length())
        parameters = zstandard.ZstdCompressionParameters.from_level(
            22, window_log=window, write_checksum=1, write_content_size=1, write_dict_id=0
        )
        frame = zstandard.ZstdCompressor(dict_data=dictionary, compression_params=parameters).compress(text)
        directory.append(f"{name}\t{len(frame)}\t{len(text)}\n")
        packed.append(frame)
    parts = ("".join(directory).encode(), dictionary.as_bytes(), b"".join(packed))
    blob = b"CSMODEL1" + struct.pack("<III", *(len(part) for part in parts)) + b"".join(parts)
    unpacked = sum(len(text) for text in texts.values())
    print(f"{count} services, {len(index)} operations, {unpacked:,} bytes unpacked, {len(blob):,} packed")
    return blob


def in_own_environment():
    python = VENV / "bin" / "python3"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
        wanted = [f"botocore=={BOTOCORE}", f"zstandard=={ZSTANDARD}"]
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *wanted], check=True)
    os.execv(str(python), [str(python), __file__, *sys.argv[1:], "--inside"])


def main():
    if "--inside" not in sys.argv:
        in_own_environment()
    blob = pack()
    print("sha256", hashlib.sha256(blob).hexdigest())
    if "--check" in sys.argv:
        if TARGET.read_bytes() != blob:
            sys.exit(f"{TARGET} differs from what botocore {BOTOCORE} gives: run scripts/model_pack.py and commit it")
        return
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_bytes(blob)


if __name__ == "__main__":
    main()
