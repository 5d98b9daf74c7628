"""The server through the eyes of an independent client: the Python MCP SDK, over stdio (or HTTP), before the sandbox.

    story.py BINARY CONFIG ENDPOINT VERSION [URL]

Reads, previews, and then every way in which a person does not confirm, before the one in which she does. After each
refusal the cloud is as it was; after the success exactly the target has changed. Exits with 0 where all of that holds.
"""

import asyncio
import json
import sys

import boto3
import jsonschema
import mcp.client.session
from mcp import Client, StdioServerParameters
from mcp_types import CallToolResult, ElicitResult, InputRequiredResult

BINARY, CONFIG, ENDPOINT, VERSION = sys.argv[1:5]
URL = sys.argv[5] if len(sys.argv) > 5 else None
NEWEST = VERSION == "2026-07-28"
MODE = VERSION if NEWEST else "legacy"
# The SDK offers its newest handshake version and has no setting for it; older clients are out there all the same.
mcp.client.session.LATEST_HANDSHAKE_VERSION = VERSION if not NEWEST else "2025-11-25"

DEV = "210987654321"
TOOL = "dynamodb_delete_table"
LARGEST_LIST = 24 * 1024
# Longer than the configuration's `confirmation_timeout`.
TOO_LONG = 11


class Person:
    """What the person at the client does with the next form, and which forms were shown."""

    def __init__(self):
        self.does, self.forms = {"action": "decline"}, []

    def types(self, text):
        self.does = {"action": "accept", "content": {"confirmation": text}}

    async def __call__(self, _context, params):
        self.forms.append(params)
        assert list(params.requested_schema["properties"]) == ["confirmation"], params
        if (wait := self.does.get("wait")) is not None:
            await asyncio.sleep(wait)
        return ElicitResult(action=self.does["action"], content=self.does.get("content"))


class Cloud:
    """The sandbox, seen with an account's root key, past the server."""

    def __init__(self):
        self.dynamodb = boto3.client(
            "dynamodb",
            endpoint_url=ENDPOINT,
            region_name="eu-central-1",
            aws_access_key_id=DEV,
            aws_secret_access_key="any",
        )

    def make(self, table):
        self.dynamodb.create_table(
            TableName=table,
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )

    def mine(self):
        """The tables of this story."""
        return [name for name in self.dynamodb.list_tables()["TableNames"] if name.startswith(PREFIX)]


PREFIX = f"story-{'http' if URL else 'stdio'}-{VERSION}-"
TABLE, OTHER = PREFIX + "goes", PREFIX + "stays"
ARGUMENTS = {"account": "shop-dev", "TableName": TABLE, "reason": "the table is not used any more"}


class Story:
    def __init__(self, client, person, cloud):
        self.client, self.person, self.cloud = client, person, cloud
        self.outputs = {}

    async def tools(self):
        listed = await self.client.list_tools()
        assert listed.next_cursor is None, "all tools are on one page"
        whole = json.dumps([tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in listed.tools])
        assert len(whole.encode()) < LARGEST_LIST, f"tools/list has {len(whole.encode())} bytes"
        assert len(listed.tools) <= 30
        for tool in listed.tools:
            jsonschema.Draft202012Validator.check_schema(tool.input_schema)
            jsonschema.Draft202012Validator.check_schema(tool.output_schema)
            self.outputs[tool.name] = jsonschema.Draft202012Validator(tool.output_schema)
        hints = {tool.name: tool.annotations for tool in listed.tools}
        assert hints["ec2_describe_instances"].read_only_hint is True
        assert hints[TOOL].read_only_hint is False and hints[TOOL].destructive_hint is True

    async def call(self, tool, arguments):
        return self.checked(tool, await self.client.call_tool(tool, arguments))

    def checked(self, tool, result):
        """Every result, refusals included, is of the announced form."""
        assert isinstance(result, CallToolResult), result
        self.outputs[tool].validate(result.structured_content)
        return result

    async def preview(self, **more):
        result = await self.call(TOOL, ARGUMENTS | more)
        assert not result.is_error, result.structured_content
        assert result.structured_content["status"] == "preview"
        return ARGUMENTS | more | {"dry_run": False, "plan_id": result.structured_content["plan_id"]}

    def refused(self, result, code, says=""):
        assert result.is_error, result.structured_content
        error = result.structured_content["error"]
        assert error["code"] == code and says in error["message"] and error["hint"], error
        assert self.cloud.mine() == [TABLE, OTHER], "a refusal changes nothing"

    async def reads(self):
        found = await self.call("ec2_describe_instances", {"account": "shop-dev"})
        assert not found.is_error and found.structured_content["result"]["Instances"], found.structured_content
        tables = await self.call("aws_read", {"account": "shop-dev", "operation": "dynamodb:ListTables"})
        assert TABLE in tables.structured_content["result"]["TableNames"], tables.structured_content
        secret = {"account": "shop-dev", "operation": "secretsmanager:GetSecretValue", "arguments": {"SecretId": "x"}}
        self.refused(await self.call("aws_read", secret), "invalid_arguments")

    async def is_not_confirmed(self, apply):
        for does, says in [
            ({"action": "accept", "content": {"confirmation": "yes"}}, "not the one that was asked for"),
            ({"action": "accept", "content": {"confirmation": OTHER}}, "not the one that was asked for"),
            ({"action": "accept", "content": {}}, "does not count"),
            ({"action": "decline"}, "declined"),
            ({"action": "cancel"}, "cancelled"),
        ]:
            self.person.does, shown = does, len(self.person.forms)
            self.refused(await self.call(TOOL, apply), "not_confirmed", says)
            assert len(self.person.forms) == shown + 1
        self.person.types(TABLE)
        self.refused(await self.call(TOOL, apply | {"TableName": OTHER}), "plan_mismatch")
        self.refused(await self.call(TOOL, ARGUMENTS | {"dry_run": False}), "needs_preview")

    async def times_out(self, apply):
        self.person.does = {"action": "accept", "content": {"confirmation": TABLE}, "wait": TOO_LONG}
        self.refused(await self.call(TOOL, apply), "not_confirmed", "did not answer within")

    async def state_is_used_once(self):
        """2026-07-28: what the server gave the client to hold is worth one answer."""
        apply = await self.preview(reason="to try a replay")
        asked = await self.client.session.call_tool(TOOL, apply, allow_input_required=True)
        assert isinstance(asked, InputRequiredResult), asked
        wrong, right = ({"confirmation": {"action": "accept", "content": {"confirmation": text}}} for text in ("no", TABLE))
        for state, answer, says in [
            (asked.request_state[:-3] + "AAA", right, "not made by this server for this call"),
            (asked.request_state, wrong, "not the one that was asked for"),
            (asked.request_state, right, "used before"),
        ]:
            answers = {key: ElicitResult(**value) for key, value in answer.items()}
            result = await self.client.call_tool(TOOL, apply, input_responses=answers, request_state=state)
            self.refused(self.checked(TOOL, result), "not_confirmed", says)

    async def is_applied_once(self, apply):
        self.person.types(TABLE)
        shown = len(self.person.forms)
        done = await self.call(TOOL, apply)
        assert not done.is_error and done.structured_content["status"] == "applied", done.structured_content
        assert len(self.person.forms) == shown + 1
        assert self.cloud.mine() == [OTHER], "exactly the target is gone"
        again = await self.call(TOOL, apply)
        assert again.is_error and again.structured_content["error"]["code"] == "plan_not_usable", again
        assert len(self.person.forms) == shown + 1 and self.cloud.mine() == [OTHER]
        status = await self.call("plan_status", {"plan_id": apply["plan_id"]})
        assert status.structured_content["status"] == "applied", status.structured_content


def connect(person):
    server = URL or StdioServerParameters(command=BINARY, args=["serve", "--config", CONFIG])
    return Client(server, elicitation_callback=person, mode=MODE)


async def without_forms(cloud):
    """A client that can't ask its person."""
    async with connect(None) as client:
        story = Story(client, None, cloud)
        await story.tools()
        apply = await story.preview()
        result = await story.call(TOOL, apply)
        if URL:
            # There is a page where she can confirm.
            assert result.structured_content["status"] == "approval_pending", result.structured_content
            assert cloud.mine() == [TABLE, OTHER], "what waits changes nothing"
        else:
            story.refused(result, "elicitation_unavailable", "can't be asked")


async def main():
    cloud, person = Cloud(), Person()
    cloud.make(TABLE)
    cloud.make(OTHER)
    await without_forms(cloud)
    async with connect(person) as client:
        assert client.protocol_version == VERSION, client.protocol_version
        story = Story(client, person, cloud)
        await story.tools()
        await story.reads()
        apply = await story.preview()
        await story.is_not_confirmed(apply)
        await story.times_out(apply)
        if NEWEST:
            await story.state_is_used_once()
        await story.is_applied_once(apply)


asyncio.run(main())
print(f"{VERSION}: all of it holds")
