#!/usr/bin/env python3
"""Writes data/escalation.json: known ways to more permissions in AWS, each with the IAM actions that it needs.

    git clone https://github.com/DataDog/pathfinding.cloud CLONE
    python3 scripts/escalation.py CLONE [--check]

Only facts are taken over: a path's id and its required permissions. The list is read from the clone's committed
docs/paths.json, so the same commit gives the same bytes; the commit is written down in the result. --check compares with
the committed file and writes nothing. src/aws/iam/tests.rs fails where an action is unknown to IAM's facts.
"""

import json
import pathlib
import subprocess
import sys

SOURCE = "https://github.com/DataDog/pathfinding.cloud"
LIST = "docs/paths.json"
TARGET = pathlib.Path(__file__).resolve().parent.parent / "data" / "escalation.json"


def git(clone, *arguments):
    return subprocess.run(["git", "-C", clone, *arguments], check=True, capture_output=True, text=True).stdout


def table(clone):
    paths = {}
    for path in json.loads(git(clone, "show", f"HEAD:{LIST}")):
        needs = [needed["permission"].strip() for needed in path["permissions"]["required"]]
        assert needs and path["id"] not in paths, path["id"]
        paths[path["id"]] = sorted(set(needs))
    return {"source": SOURCE, "commit": git(clone, "rev-parse", "HEAD").strip(), "paths": dict(sorted(paths.items()))}


def main():
    arguments = [argument for argument in sys.argv[1:] if argument != "--check"]
    if len(arguments) != 1:
        sys.exit(__doc__)
    found = table(arguments[0])
    lines = [f"    {json.dumps(name)}: {json.dumps(needs)}" for name, needs in found["paths"].items()]
    head = "".join(f"  {json.dumps(key)}: {json.dumps(found[key])},\n" for key in ("source", "commit"))
    text = "{\n" + head + '  "paths": {\n' + ",\n".join(lines) + "\n  }\n}\n"
    print(len(found["paths"]), "paths")
    if "--check" in sys.argv:
        if TARGET.read_text() != text:
            sys.exit(f"{TARGET} differs from what the clone gives: run scripts/escalation.py and commit it")
        return
    TARGET.write_text(text)


if __name__ == "__main__":
    main()
