"""The second person, from end to end: an agent over HTTP, and people with passkeys in headless Chromium.

    second_person.py BINARY CONFIG ORIGIN TOKEN TABLE

CONFIG serves ORIGIN with a static TOKEN for ann's agent, before a sandbox with TABLE in production. Two people enrol, the
agent asks for what can't be undone, the one it acts for can't approve it, nobody counts twice, two others sign, the agent
applies, and the receipt verifies; changed anywhere it does not. Prints what it has seen; exits with 0 where all holds.
"""

import asyncio
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import ElicitResult
from playwright.async_api import async_playwright

from approver import Approver, chromium

BINARY, CONFIG, ORIGIN, TOKEN, TABLE = sys.argv[1:6]
TOOL = "dynamodb_delete_table"
ASKS = {"account": "shop-prod", "TableName": TABLE, "reason": "the table was moved to orders-v2 last month"}
SCREENS = os.environ.get("SCREENSHOTS")


def run(*arguments):
    return subprocess.run([BINARY, "--config", CONFIG, *arguments], capture_output=True, text=True, timeout=60)


def done(*arguments):
    ran = run(*arguments)
    assert ran.returncode == 0, f"{arguments}: {ran.stdout}{ran.stderr}"
    return ran.stdout


class Agent:
    """ann's agent; her client answers forms with the right text at once, as a hook would."""

    def __init__(self):
        self.forms, self.pages = [], []

    async def person(self, _context, params):
        if getattr(params, "url", None):
            self.pages.append(params.url)
            return ElicitResult(action="accept")
        self.forms.append(params.message)
        await asyncio.sleep(16)
        return ElicitResult(action="accept", content={"confirmation": TABLE})

    async def call(self, tool, arguments):
        http = httpx2.AsyncClient(headers={"authorization": f"Bearer {TOKEN}"}, timeout=300)
        transport = streamable_http_client(f"{ORIGIN}/mcp", http_client=http)
        async with http, Client(transport, elicitation_callback=self.person) as client:
            result = await client.call_tool(tool, arguments)
        return result

    async def status(self, tool, arguments):
        result = await self.call(tool, arguments)
        assert not result.is_error, result.structured_content
        return result.structured_content


def told(what):
    print(f"- {what}", flush=True)


async def main():
    async with async_playwright() as playwright:
        browser = await chromium(playwright)
        try:
            await story(browser)
        finally:
            await browser.close()


async def story(browser):
    # The first approver comes from the command line, the others from her.
    link = next(word for word in done("approver", "invite", "bob", "--group", "approvers", "--admin").split() if "/enrol/" in word)
    bob = await Approver.at(browser, "bob")
    await bob.enrol(link)
    again = await Approver.at(browser, "mallory")
    await again.open(link)
    assert not await again.can("create passkey"), "a link is good once"
    told("bob enrolled with a link that worked once")

    refused = run("approver", "invite", "mallory", "--group", "approvers")
    assert "/enrol/" not in refused.stdout + refused.stderr, "the command line invites nobody any more on its own"
    dana = await Approver.at(browser, "dana", viewport={"width": 390, "height": 844}, is_mobile=True, color_scheme="dark")
    await dana.enrol(await bob.invite("dana", "approvers"))
    ann = await Approver.at(browser, "ann")
    await ann.enrol(await bob.invite("ann", "approvers"))
    told("bob, an admin, signed the invitations of dana and ann")

    agent = Agent()
    preview = await agent.status(TOOL, ASKS)
    plan = preview["plan_id"]
    apply = ASKS | {"dry_run": False, "plan_id": plan}
    waiting = await agent.status(TOOL, apply)
    assert waiting["status"] == "approval_pending", waiting
    assert waiting["approval_url"] == f"{ORIGIN}/plans/{plan}", waiting
    assert len(agent.forms) == 1
    told(f"the agent's plan waits for {waiting['waits_for']}")

    stranger = await browser.new_page()
    await stranger.goto(waiting["approval_url"])
    assert TABLE not in await stranger.content(), "nothing of a plan is shown to who isn't signed in"

    await ann.open(waiting["approval_url"])
    await ann.sees(TABLE)
    assert not await ann.can("approve"), "ann's agent asked, so ann can't approve"
    told("ann, for whom the agent acts, can't approve it")

    await bob.open(waiting["approval_url"])
    await bob.sees("moved to orders-v2")
    if SCREENS:
        await bob.screenshot(f"{SCREENS}/plan.png")
    early = bob.page.locator("button:has-text('Approve with passkey')")
    assert await early.get_attribute("aria-disabled") == "true", "an irreversible plan must be read first"
    await bob.approve()
    await bob.open(waiting["approval_url"])
    assert not await bob.can("approve"), "one person is not two"
    still = await agent.status(TOOL, apply)
    assert still["status"] == "approval_pending" and len(agent.forms) == 1, still
    assert still["waits_for"] == ["the approval of one more person, other than `ann`"], still
    told("bob approved; he can't again, and one is not enough")

    watching = asyncio.create_task(agent.status("plan_status", {"plan_id": plan, "wait_seconds": 60}))
    await dana.open(waiting["approval_url"])
    if SCREENS:
        await dana.screenshot(f"{SCREENS}/plan-phone-dark.png")
    await dana.approve()
    status = await watching
    assert status["waits_for"] == [], status
    told("dana approved, and the waiting agent was told")

    applied = await agent.status(TOOL, apply)
    assert applied["status"] == "applied", applied
    told("the agent applied it")
    used = await agent.call(TOOL, apply)
    assert used.is_error and used.structured_content["error"]["code"] == "plan_not_usable", used
    told("and can't a second time")

    await receipts(plan)
    assert not (bob.wrong + dana.wrong + ann.wrong), (bob.wrong, dana.wrong, ann.wrong)


async def receipts(plan):
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "receipt.json"
        done("receipt", plan, "--output", str(file))
        verified = done("receipt", "verify", str(file))
        assert "bob" in verified and "dana" in verified, verified
        told("the receipt verifies")
        whole = file.read_bytes()
        for _ in range(40):
            at = random.randrange(len(whole))
            file.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << random.randrange(8))]) + whole[at + 1 :])
            ran = run("receipt", "verify", str(file))
            assert ran.returncode != 0, f"byte {at} was flipped and it verified:\n{ran.stdout}"
        content = json.loads(whole)
        assert content, "it is JSON"
        told("with one bit flipped, anywhere, it does not")


asyncio.run(main())
