#!/bin/sh
# Runs AWS's official protocol and endpoint tests. They are in botocore's source package, which is downloaded by its name
# into .cache/ and never committed.
set -eu
cd "$(dirname "$0")/.."
version=1.44.5
folder=.cache/conformance
if [ ! -d "$folder/botocore-$version/tests" ]; then
    mkdir -p "$folder"
    python3 -m pip download --quiet --no-deps --no-binary :all: --dest "$folder" "botocore==$version"
    tar -xzf "$folder/botocore-$version.tar.gz" -C "$folder"
fi
exec cargo test --quiet --test conformance -- "$folder/botocore-$version"
