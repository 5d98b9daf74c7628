#!/usr/bin/env bash
# Opens the MCP Inspector's page on a server before a sandbox of its own; Ctrl-C ends all three. ERA=legacy speaks the protocol's
# older versions, CLIENT_PORT is where the page is.
set -euo pipefail
cd "$(dirname "$0")/.."

server=$PWD/target/debug/countersign folder=$PWD/target/inspect
trap '"$server" sandbox --dir "$folder" down' EXIT
trap 'exit 130' INT TERM
"$server" sandbox --dir "$folder" up >/dev/null

# A home of its own: the Inspector remembers servers and secrets there. It takes `--config` for itself.
export HOME=$folder PATH=$PWD/.venv/bin:$PATH MCP_INSPECTOR_SECRET_STORE=memory
node tests/inspector/node_modules/.bin/mcp-inspector --web --protocol-era "${ERA:-modern}" \
    -e "COUNTERSIGN_CONFIG=$folder/countersign.toml" "$server" serve
