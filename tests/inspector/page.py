"""The server in the Inspector's page, in headless Chromium: what a person sees who tries it there.

    page.py BINARY CONFIG ERA TABLE [URL TOKEN]

Starts the Inspector, which starts BINARY with CONFIG itself, or connects to URL with TOKEN. ERA is `legacy` or `modern`.
TABLE is a table of shop-dev; it is previewed, refused in every way, and deleted in the end. Leaves a picture of each step in
the folder that SCREENSHOTS names. Exits with 0 where all of it holds.
"""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

BINARY, CONFIG, ERA, TABLE = sys.argv[1:5]
URL, TOKEN = sys.argv[5:7] if len(sys.argv) > 5 else (None, None)
HERE = Path(__file__).parent
NODE = HERE.parent.parent / ".venv/bin/node"
INSPECTOR = HERE / "node_modules/.bin/mcp-inspector"
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
SHOTS = os.environ.get("SCREENSHOTS")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]
TOOL = "dynamodb_delete_table"
# Of machines that are busy with other tests.
PATIENCE = 120_000


class Inspector:
    """The Inspector's own server. It wants to know its port before it starts."""

    def __init__(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        server = ["--server-url", URL, "--transport", "http", "--header", f"Authorization: Bearer {TOKEN}"]
        if not URL:
            server = ["-e", f"COUNTERSIGN_CONFIG={CONFIG}", BINARY, "serve"]
        environment = os.environ | {
            "CLIENT_PORT": str(port), "MCP_SANDBOX_PORT": "0", "MCP_APP_ORIGIN_PORT": "0",
            "MCP_AUTO_OPEN_ENABLED": "false", "MCP_INSPECTOR_SECRET_STORE": "memory",
        }
        # In a group of its own: it is a launcher with the real thing below it.
        self.process = subprocess.Popen([NODE, INSPECTOR, "--web", "--protocol-era", ERA, *server], env=environment,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, start_new_session=True)

    def url(self):
        """Where its page is, with the token that opens it."""
        said = []
        for line in self.process.stdout:
            said.append(line)
            if found := re.search(r"(http://\S+?)/?\?(MCP_INSPECTOR_API_TOKEN=\w+)", line):
                return f"{found[1]}/?{found[2]}"
        raise AssertionError(f"the Inspector did not start: {''.join(said)}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait()


class Page:
    def __init__(self, page):
        self.page, self.steps = page, 0

    def shot(self, name):
        self.steps += 1
        if SHOTS:
            self.page.screenshot(path=f"{SHOTS}/inspector-{ERA}-{self.steps:02}-{name}.png")

    def connect(self, url):
        page = self.page
        page.goto(url)
        switch = page.get_by_role("switch", name=re.compile("^Connect or disconnect"))
        switch.wait_for()
        page.locator(".mantine-Switch-root", has=switch).click()
        expect(page.get_by_text("Connected", exact=True)).to_be_visible()
        if ERA == "modern":
            expect(page.get_by_text("MCP 2026-07-28")).to_be_visible()
        self.shot("connected")
        page.get_by_label("Close monitoring sidebar").click()

    def tab(self, name):
        self.page.locator("label", has_text=re.compile(f"^{name}$")).click()

    def open_tool(self, name, title, badge):
        """Its title, and that its effect is seen."""
        page = self.page
        page.get_by_placeholder("Search tools...").fill(name)
        page.get_by_role("button").filter(has_text=re.compile(rf"{title}\s*{name}$")).click()
        expect(page.get_by_text(badge, exact=True)).to_be_visible()

    def fill(self, **values):
        for name, value in values.items():
            self.page.get_by_label(re.compile(rf"^{name}( \*)?$")).fill(value)

    def choose(self, name, option):
        self.page.get_by_role("textbox", name=re.compile(rf"^{name}\b")).click()
        self.page.get_by_role("option", name=option, exact=True).click()

    def execute(self):
        self.page.get_by_role("button", name="Execute Tool").click()

    def close_results(self):
        self.page.get_by_label("Close results").click()

    def answers(self, press, text):
        """Reads the form, types and presses."""
        form = self.page.get_by_role("dialog")
        expect(form).to_contain_text(f"To allow it, type exactly: {TABLE}")
        expect(form).to_contain_text("IRREVERSIBLE")
        self.shot("asked")
        if text:
            form.get_by_label(re.compile("^Confirmation")).first.fill(text)
        form.get_by_role("button", name=press, exact=True).click()
        expect(form).to_be_hidden()

    def sees(self, text):
        expect(self.page.get_by_text(text).first).to_be_visible()


def main():
    with Inspector() as inspector, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        try:
            expect.set_options(timeout=PATIENCE)
            page = browser.new_page(viewport={"width": 1280, "height": 1100})
            page.set_default_timeout(PATIENCE)
            try:
                story(Page(page), inspector.url())
            except BaseException:
                if SHOTS:
                    page.screenshot(path=f"{SHOTS}/inspector-{ERA}-failed.png")
                print(page.locator("body").inner_text())
                raise
        finally:
            browser.close()


def story(at, url):
    at.connect(url)
    at.tab("Tools")
    at.shot("tools")
    at.open_tool("ec2_describe_instances", "Describe EC2 instances", "read-only")
    at.choose("account", "shop-dev")
    at.execute()
    at.sees("orders-web-1")
    at.shot("read")

    at.open_tool(TOOL, "Delete a DynamoDB table", "destructive")
    at.fill(TableName=TABLE, reason="the table is not used any more")
    at.choose("account", "shop-dev")
    at.shot("form")
    at.execute()
    at.sees("Delete a DynamoDB table (irreversible)")
    at.shot("preview")
    plan = re.search(r"plan-[0-9a-z]{26}", at.page.locator("body").inner_text())[0]

    at.close_results()
    at.fill(plan_id=plan)
    at.page.get_by_role("checkbox", name="dry_run").uncheck()
    for press, text, says in [
        ("Decline", None, "the person declined"),
        ("Cancel", None, "the prompt was cancelled"),
        ("Submit", "yes", "not the one that was asked for"),
    ]:
        at.execute()
        at.answers(press, text)
        at.sees(says)
        at.shot(f"refused-{press.lower()}")
        at.close_results()
    at.execute()
    at.answers("Submit", TABLE)
    at.sees(f"Applied plan {plan}")
    at.shot("applied")

    at.tab("Prompts")
    at.sees("Propose a change")
    at.shot("prompts")
    at.tab("Resources")
    at.sees("My plans")
    at.shot("resources")


main()
