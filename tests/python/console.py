"""The console in a headless browser, with passkeys of the browser's own.

    console.py CHROMIUM PART ORIGIN LINK PLANS

PART is `decide` (two people approve one plan and reject another, and everything that must not work doesn't) or `apply`
(a person carries a plan out). LINK enrols bob, the first admin. Exits with 0 where all of it holds. With COUNTERSIGN_SHOTS
in the environment it also leaves pictures in that folder.
"""

import http.server
import json
import os
import re
import sys
import threading
import urllib.error
import urllib.request

from playwright.sync_api import expect, sync_playwright

CHROMIUM, PART, ORIGIN, LINK, PLANS = sys.argv[1:6]
PLANS = json.loads(PLANS)
SHOTS = os.environ.get("COUNTERSIGN_SHOTS")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]


class Person:
    """A browser profile with a passkey in it."""

    def __init__(self, browser, name, **options):
        self.name = name
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.complaints = []
        self.page.on("console", lambda message: self.complain(message))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        devtools = self.context.new_cdp_session(self.page)
        devtools.send("WebAuthn.enable")
        devtools.send("WebAuthn.addVirtualAuthenticator", {"options": {
            "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
            "isUserVerified": True, "automaticPresenceSimulation": True}})

    def complain(self, message):
        # Answers that say no are told in the page; the browser notes their status besides.
        if message.type == "error" and "the server responded with a status of 4" not in message.text:
            self.complaints.append(message.text)

    def enrol(self, link):
        page = self.page
        page.goto(link)
        expect(page.get_by_role("heading", level=1)).to_contain_text(self.name)
        page.get_by_label("What do you call this passkey?").fill(f"{self.name}’s laptop")
        page.get_by_role("button", name="Create passkey").click()
        page.wait_for_url(f"{ORIGIN}/sign-in")

    def sign_in(self):
        self.page.get_by_role("button", name="Sign in with passkey").click()
        self.page.wait_for_url(lambda url: "/sign-in" not in url)
        expect(self.page.locator(".me .who")).to_contain_text(self.name)

    def go(self, path):
        self.page.goto(f"{ORIGIN}{path}")
        return self.page

    def call(self, path, body, token=True, kind="application/json"):
        """As the page's own script would; the status and what was told."""
        return self.page.evaluate("""async ([path, body, token, kind]) => {
            const headers = { "content-type": kind };
            if (token) headers["x-csrf"] = document.body.dataset.csrf;
            const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
            return [answer.status, await answer.text()];
        }""", [path, body, token, kind])

    def invite(self, name):
        """Invites somebody and signs that; the link."""
        page = self.go("/people")
        section = page.locator("section", has=page.get_by_role("heading", name="Invite somebody"))
        section.get_by_label("Name", exact=True).fill(name)
        section.get_by_role("button", name="Sign the invitation").click()
        field = page.get_by_label("Invitation link")
        expect(field).to_be_visible()
        link = field.input_value()
        assert link.startswith(f"{ORIGIN}/enrol/"), link
        page.reload()
        expect(page.get_by_label("Invitation link")).to_be_hidden()
        assert link not in page.content(), "a link is shown once"
        return link

    def shot(self, name):
        if SHOTS:
            self.page.screenshot(path=f"{SHOTS}/{name}.png", full_page=True)


def status(path, method="GET", headers=None, body=None):
    """Without a browser: the status, and where it leads."""
    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_):
            return None
    request = urllib.request.Request(f"{ORIGIN}{path}", body, headers or {}, method=method)
    try:
        answer = urllib.request.build_opener(Stay).open(request)
        return answer.status, answer.read().decode(), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), error.headers


def nobody_sees_anything(plan):
    for path in ["/", f"/plans/{plan}", "/history", "/people"]:
        code, text, headers = status(path, headers={"authorization": "Bearer token"})
        assert code == 303 and headers["location"].startswith("/sign-in?next="), (path, code)
        assert plan not in text
    assert status("/events")[0] == 401
    assert status("/enrol/guessed")[0] == 404
    code, _, headers = status("/sign-in")
    assert code == 200
    for part in ["default-src 'none'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"]:
        assert part in headers["content-security-policy"], part
    assert headers["cache-control"] == "no-store" and headers["referrer-policy"] == "same-origin"


def other_sites_do_nothing(person, plan):
    """A page of another site posts to the console, in the browser of somebody who is signed in."""
    attack = f"""<form method="post" action="{ORIGIN}/plans/{plan}/reject"><input name="reason" value="from elsewhere">
        </form><script>
        fetch("{ORIGIN}/api/sign/begin", {{ method: "POST", credentials: "include", mode: "no-cors", body: "{{}}" }})
          .catch(() => 0).then(() => document.forms[0].submit());</script>"""

    class Evil(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(attack.encode())

        def log_message(self, *_):
            pass

    evil = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Evil)
    threading.Thread(target=evil.serve_forever, daemon=True).start()
    tab = person.context.new_page()
    answers = []
    tab.on("response", lambda answer: answers.append((answer.url, answer.status)))
    tab.goto(f"http://127.0.0.1:{evil.server_port}/")
    tab.wait_for_url(f"{ORIGIN}/plans/{plan}/reject")
    refused = [code for url, code in answers if url.startswith(ORIGIN)]
    assert refused and all(code == 403 for code in refused), answers
    tab.close()
    evil.shutdown()


def decide(browser):
    first, second, text = PLANS
    nobody_sees_anything(first)

    bob = Person(browser, "bob")
    bob.go(f"/plans/{first}")
    assert "/sign-in?next=" in bob.page.url, "nothing is shown without signing in"
    bob.shot("sign-in")
    bob.enrol(LINK)
    assert bob.go(LINK.removeprefix(ORIGIN)).get_by_role("heading", level=1).inner_text() == "There is no such page"
    bob.go(f"/sign-in?next=/plans/{first}")
    bob.sign_in()
    assert bob.page.url == f"{ORIGIN}/plans/{first}", bob.page.url

    # It takes some reading, and the server holds to that.
    page = bob.page
    expect(page.get_by_role("button", name="Approve with passkey")).to_have_attribute("aria-disabled", "true")
    digest = page.locator("[data-digest]").first.get_attribute("data-digest")
    early = bob.call("/api/sign/begin", {"kind": "approve", "plan": first, "digest": digest})
    assert early[0] == 422 and "more seconds" in early[1], early
    bob.shot("plan")
    page = bob.go("/")
    expect(page.get_by_role("heading", name="Waiting for you")).to_contain_text("2")
    expect(page.get_by_role("listitem").filter(has_text="PRODUCTION")).to_have_count(2)
    bob.shot("queue")

    # Two more people, each invited and signed for by the admin.
    dana, ann = Person(browser, "dana", viewport={"width": 390, "height": 844}), Person(browser, "ann")
    for person in [dana, ann]:
        person.enrol(bob.invite(person.name))
        person.sign_in()
    bob.go("/people")
    expect(bob.page.locator(".person")).to_have_count(3)
    bob.shot("people")

    # Hostile text is text.
    page = bob.go(f"/plans/{second}")
    expect(page.locator(".reason")).to_contain_text("<b>approved</b>")
    expect(page.locator(".escape").first).to_be_visible()
    assert page.locator("b", has_text=re.compile("^approved$")).count() == 0
    bob.shot("hostile")

    other_sites_do_nothing(bob, second)
    other = page.locator("[data-digest]").first.get_attribute("data-digest")
    begin = {"kind": "approve", "plan": first, "digest": other}
    assert bob.call("/api/sign/begin", begin, token=False)[0] == 403
    assert bob.call("/api/sign/begin", begin, kind="text/plain")[0] == 415
    assert bob.call("/api/sign/begin", begin)[0] == 422, "the digest of another plan"

    # The human the agent acts for is no second person, whatever she sends.
    page = ann.go(f"/plans/{first}")
    expect(page.get_by_role("button", name="Approve with passkey")).to_have_count(0)
    own = ann.call("/api/sign/begin", {"kind": "approve", "plan": first, "digest": digest})
    assert own[0] == 403 and "second person" in own[1], own
    # She confirms it, once she has read it.
    confirm = page.get_by_role("button", name="Confirm with passkey")
    expect(confirm).not_to_have_attribute("aria-disabled", "true", timeout=15_000)
    page.wait_for_timeout(10_000)
    page.get_by_label("to allow it").fill(text)
    ann.shot("own-plan")
    confirm.click()
    expect(page.locator(".autograph", has_text="ann")).to_be_visible()
    expect(page.get_by_text("the agent asks for you, so others approve it")).to_be_visible()

    dana.go(f"/plans/{first}")
    page = bob.go(f"/plans/{first}")
    approve = page.get_by_role("button", name="Approve with passkey")
    expect(approve).not_to_have_attribute("aria-disabled", "true", timeout=15_000)
    approve.click()
    expect(page.locator(".autograph", has_text="bob")).to_be_visible()
    expect(approve).to_have_count(0)
    again = bob.call("/api/sign/begin", {"kind": "approve", "plan": first, "digest": digest})
    assert again[0] == 422 and "signed this plan already" in again[1], again

    # Dana's page, open all the while, shows bob's signature by itself.
    expect(dana.page.locator(".autograph", has_text="bob")).to_be_visible(timeout=15_000)
    expect(dana.page.locator("#news")).to_contain_text("1 of 2 approvals", timeout=15_000)
    dana.shot("plan-phone")
    approve = dana.page.get_by_role("button", name="Approve with passkey")
    expect(approve).not_to_have_attribute("aria-disabled", "true", timeout=15_000)
    approve.press("Enter")
    expect(dana.page.locator(".autograph", has_text="dana")).to_be_visible()
    expect(dana.page.get_by_text("Everything is there; the agent can apply it.")).to_be_visible()

    # Rejecting takes a reason; what was typed stays.
    page = dana.go(f"/plans/{second}")
    page.get_by_text("Reject …").click()
    page.get_by_label("Why?").fill("no")
    page.get_by_role("button", name="Reject this plan").click()
    expect(page.get_by_role("alert").filter(has_text="A reason has 3 to 500 characters")).to_be_visible()
    assert page.get_by_label("Why?").input_value() == "no"
    dana.shot("reason")
    page.get_by_label("Why?").fill("the second machine is needed until Friday")
    page.get_by_role("button", name="Reject this plan").click()
    expect(page.get_by_text("It was rejected; nothing was done.")).to_be_visible()

    # What is over is in the history, and nowhere else.
    page = bob.go("/")
    expect(page.get_by_text("Nothing waits for you.")).to_be_visible()
    page.get_by_role("link", name="History").click()
    page.get_by_label("Search", exact=True).fill("0FEDCBA9")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    bob.shot("history")
    page.get_by_label("rejected").uncheck()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(f"{ORIGIN}/sign-in")
    assert "/sign-in" in bob.go("/history").url

    return [bob, dana, ann]


def apply(browser):
    plan, text = PLANS
    bob = Person(browser, "bob", color_scheme="dark")
    bob.enrol(LINK)
    bob.sign_in()
    page = bob.go(f"/plans/{plan}")
    button = page.get_by_role("button", name="Apply it now with passkey")
    expect(button).not_to_have_attribute("aria-disabled", "true", timeout=15_000)
    field = page.get_by_label("to allow it")
    field.fill("something else")
    button.click()
    alert = page.locator("form[data-sign=apply] [role=alert]")
    expect(alert).to_contain_text("not the one that was asked for")
    assert field.input_value() == "something else", "what was typed stays"
    bob.shot("apply")
    field.fill(text)
    button.click()
    expect(page.locator("#main").get_by_text("It was applied.")).to_be_visible(timeout=20_000)
    expect(page.locator(".autograph", has_text="bob")).to_be_visible()
    expect(page.locator("#record ~ .story")).to_contain_text("ordered to be applied")
    bob.shot("applied")
    return [bob]


def main():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        people = {"decide": decide, "apply": apply}[PART](browser)
        complaints = [complaint for person in people for complaint in person.complaints]
        assert not complaints, complaints
        browser.close()


main()
