"""People in front of the approvals console: each a Chromium context of their own with a virtual authenticator.

The authenticator is Chromium's own (DevTools protocol, WebAuthn domain): it makes and keeps passkeys, and verifies its
user without asking anybody.
"""

import os
import re

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


async def chromium(playwright):
    return await playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)


class Approver:
    """A person with a browser. `page` is what they see."""

    @classmethod
    async def at(cls, browser, name, **context):
        self = cls()
        self.name = name
        self.context = await browser.new_context(**context)
        self.page = await self.context.new_page()
        self.wrong = []
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("console", lambda said: self.wrong.append(said.text) if said.type == "error" else None)
        self.devtools = await self.context.new_cdp_session(self.page)
        await self.devtools.send("WebAuthn.enable")
        added = await self.devtools.send(
            "WebAuthn.addVirtualAuthenticator",
            {
                "options": {
                    "protocol": "ctap2",
                    "transport": "internal",
                    "hasResidentKey": True,
                    "hasUserVerification": True,
                    "isUserVerified": True,
                    "automaticPresenceSimulation": True,
                }
            },
        )
        self.authenticator = added["authenticatorId"]
        return self

    async def enrol(self, link, label="laptop"):
        """Makes a passkey with a one-time link, and signs in with it."""
        await self.page.goto(link)
        await self.page.get_by_label(re.compile("passkey", re.I)).fill(label)
        await self.page.get_by_role("button", name=re.compile("create passkey", re.I)).click()
        await self.page.wait_for_url("**/sign-in")
        await self.sign_in()

    async def sign_in(self):
        await self.page.get_by_role("button", name=re.compile("sign in", re.I)).click()
        await self.page.wait_for_url(re.compile(r"^https?://[^/]+/(?!sign-in)"))

    async def open(self, link):
        await self.page.goto(link)

    def button(self, name):
        return self.page.get_by_role("button", name=re.compile(name, re.I))

    async def can(self, name):
        return await self.button(name).count() > 0

    async def sees(self, text):
        await self.page.get_by_text(re.compile(text)).first.wait_for()

    async def approve(self):
        """Waits out the reading time, and signs."""
        button = self.page.locator("button:has-text('Approve with passkey'):not([aria-disabled=true])")
        await button.click()
        await button.wait_for(state="detached")

    async def type_and(self, name, text):
        """Types the text that is asked for, and signs."""
        form = self.page.locator("form").filter(has=self.button(name))
        await form.get_by_role("textbox").fill(text)
        await form.get_by_role("button", name=re.compile(name, re.I)).click()

    async def reject(self, reason):
        form = self.page.locator("form").filter(has=self.button("reject"))
        await form.get_by_role("textbox").fill(reason)
        await form.get_by_role("button", name=re.compile("reject", re.I)).click()

    async def invite(self, name, group):
        """As an admin: signs an invitation, and returns its link."""
        await self.page.goto(self.origin() + "/people")
        form = self.page.locator("form[data-propose]").filter(has=self.page.locator("input[name=name][type=text]"))
        await form.locator("input[name=name]").fill(name)
        await form.locator(f"input[name=group][value={group}]").check()
        await form.get_by_role("button").click()
        link = self.page.locator("[data-link-text]")
        await link.wait_for(state="visible")
        return await link.input_value()

    def origin(self):
        return re.match(r"https?://[^/]+", self.page.url).group(0)

    async def screenshot(self, path):
        await self.page.screenshot(path=path, full_page=True)
