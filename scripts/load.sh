#!/bin/sh
# Starts a server over HTTP with a store of its own, and puts a load on it: scripts/load.sh [SESSIONS] [CALLS_PER_SECOND] [SECONDS]
# Prints memory per session and latencies. Builds with `cargo build --examples`, in the profile of $PROFILE (default: dev).
set -eu

cd "$(dirname "$0")/.."
profile=${PROFILE:-dev}
cargo build --quiet --profile "$profile" --bin countersign --example load
target=target/$([ "$profile" = dev ] && echo debug || echo "$profile")
folder=$(mktemp -d)
ulimit -n "$(ulimit -Hn)"
cat > "$folder/countersign.toml" <<TOML
[caller]
human = "ann"
agent = "load"

[accounts.dev]
id = "111122223333"
stage = "dev"
regions = ["eu-central-1"]

[store]
path = "countersign.db"

[http]
sessions_per_caller = 4096
TOML
"$target/countersign" --log countersign=warn --config "$folder/countersign.toml" serve --http 127.0.0.1:8479 2> "$folder/log" &
server=$!
trap 'kill $server 2> /dev/null; rm -rf "$folder"' EXIT
for _ in $(seq 100); do
    grep -q . "$folder/countersign.db-wal" 2> /dev/null && break
    sleep 0.1
done
sleep 1
"$target/examples/load" http://localhost:8479/mcp "$server" "$@"
