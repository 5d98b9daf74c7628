#!/usr/bin/env bash
# Makes what a release consists of, in target/packages: an archive, a Debian package, an MCPB bundle, server.json for the
# MCP registry, manual pages, completions, a bill of materials (CycloneDX), release notes, and the digests of it all.
#
#   scripts/packages.sh [--profile release|dev]
#
# `dev` packs the unoptimised program that the tests use: continuous integration checks with it that packages can be made.
# The same commit gives the same program: its path is left out, and its version names the commit.
set -euo pipefail
cd "$(dirname "$0")/.."

CARGO_DEB=3.8.0
CARGO_CYCLONEDX=0.5.9

profile=release
[ "${1:-}" = "--profile" ] && profile=$2
folder=$([ "$profile" = dev ] && echo debug || echo "$profile")
out=target/packages
target=$(rustc -vV | sed -n 's/^host: //p')
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -1)

# Built without optimisation: they run once.
tool() {
    cargo "$1" --version 2>/dev/null | grep -qF "$2" ||
        cargo install --quiet --locked --profile dev "cargo-$1" --version "$2"
}

rm -rf "$out"
mkdir -p "$out/completions"
if [ "$profile" = release ]; then
    export COUNTERSIGN_COMMIT="${COUNTERSIGN_COMMIT:-$(git rev-parse HEAD)}"
    export RUSTFLAGS="${RUSTFLAGS:-} --remap-path-prefix=$PWD=/countersign --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo"
fi
cargo build --quiet --locked --profile "$profile" --bin countersign
program=target/$folder/countersign

# Only now: dependencies written in C are compiled anew where it changes.
export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}"
"$program" man "$out/man"
"$program" completions bash >"$out/completions/countersign.bash"
"$program" completions zsh >"$out/completions/_countersign"
"$program" completions fish >"$out/completions/countersign.fish"

# The archive that `cargo binstall` takes.
name=countersign-$version-$target
mkdir -p "$out/$name"
cp -r "$program" README.md CHANGELOG.md LICENSE NOTICE countersign.toml docs policies tool-manifests "$out/man" "$out/completions" "$out/$name/"
cp packaging/systemd/countersign.service "$out/$name/"
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -C "$out" -cf - "$name" | gzip -9n >"$out/$name.tar.gz"
rm -rf "${out:?}/$name"

tool deb "$CARGO_DEB"
cargo deb --quiet --no-build --profile "$profile" --output "$out/"

# The bundle for desktop clients: a ZIP with the program and a manifest.
python3 scripts/bundle.py "$program" "$version" "$target" "$out"

tool cyclonedx "$CARGO_CYCLONEDX"
cargo cyclonedx --quiet --format json --spec-version 1.5 --target "$target" --override-filename countersign.cdx
mv countersign.cdx.json "$out/countersign-$version.cdx.json"

# Release notes: the changelog's section of this version, or what is not released yet.
awk -v version="$version" '
    /^## \[/ { on = index($0, "[" version "]") || (!done && index($0, "[Unreleased]")); if (on) done = 1; next }
    on' CHANGELOG.md >"$out/release-notes-$version.md"
test -s "$out/release-notes-$version.md"

(cd "$out" && find . -maxdepth 1 -type f ! -name SHA256SUMS -printf '%f\n' | sort | xargs sha256sum >SHA256SUMS)
cat "$out/SHA256SUMS"
