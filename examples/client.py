"""A whole MCP client, with the Python SDK: it previews a change, shows the plan, lets a person type the confirmation in a
terminal, and applies it.

    pip install 'mcp==2.3.*'
    python examples/client.py --account shop-dev --tool ec2_stop_instances \
        --arguments '{"InstanceIds": ["i-0123456789abcdef0"]}' --reason 'saves money at night' \
        -- countersign serve --config countersign.toml

With `--url https://.../mcp` in place of the command it talks to a server that runs elsewhere; its token is that of
`COUNTERSIGN_TOKEN`. With `--preview` it ends after the preview.

Exits with 0 when the change was applied (or previewed), 3 when it was refused, 4 when it waits for other people.
"""

import argparse
import asyncio
import json
import os
import sys

from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client
from mcp_types import ElicitRequestFormParams, ElicitResult

REFUSED, WAITS = 3, 4


async def ask(_context, params):
    """A form of the server's, on the terminal. What is typed is passed on as it is: no default, nothing filled in."""
    if not isinstance(params, ElicitRequestFormParams):
        # A page to open: the approvals console.
        print(f"\n{params.message}\n{params.url}")
        return ElicitResult(action="decline")
    print(f"\n{params.message}\n")
    content = {}
    for name, field in params.requested_schema["properties"].items():
        print(f"{field.get('title', name)}: ", end="", flush=True)
        line = await asyncio.to_thread(sys.stdin.readline)
        if not line:
            # Nobody is there.
            return ElicitResult(action="cancel")
        content[name] = line.rstrip("\n")
    return ElicitResult(action="accept", content=content)


def server(options):
    if options.url:
        token = os.environ.get("COUNTERSIGN_TOKEN")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return streamable_http_client(options.url, http_client=create_mcp_http_client(headers=headers))
    command, *arguments = options.command
    return StdioServerParameters(command=command, args=arguments)


def told(result):
    """What a result tells people: a tool's own text."""
    return "\n".join(part.text for part in result.content if part.type == "text")


async def run(options):
    call = {"account": options.account, "reason": options.reason, **json.loads(options.arguments)}
    async with Client(server(options), elicitation_callback=ask) as client:
        preview = await client.call_tool(options.tool, call)
        print(told(preview))
        if preview.is_error:
            return REFUSED
        if options.preview or preview.structured_content["status"] != "preview":
            return 0
        # Exactly the same call, and the plan that it makes anew must be the one that was previewed.
        applied = await client.call_tool(
            options.tool, {**call, "dry_run": False, "plan_id": preview.structured_content["plan_id"]}
        )
        print(told(applied))
        if applied.is_error:
            return REFUSED
        return WAITS if applied.structured_content["status"] == "approval_pending" else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", required=True)
    parser.add_argument("--account", required=True, help="as `countersign.toml` names it")
    parser.add_argument("--arguments", default="{}", help="of the tool, a JSON object")
    parser.add_argument("--reason", required=True, help="why; recorded, and shown to people")
    parser.add_argument("--preview", action="store_true", help="only preview")
    parser.add_argument("--url", help="of a server that runs elsewhere")
    parser.add_argument("command", nargs="*", default=["countersign", "serve"], help="what starts the server")
    sys.exit(asyncio.run(run(parser.parse_args())))


if __name__ == "__main__":
    main()
