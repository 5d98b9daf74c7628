// What the pages can't do by themselves: passkeys, counting down, and showing what has changed. Everything is read from
// the page; nothing is kept.
"use strict";

(() => {
  const all = (selector, within = document) => Array.from(within.querySelectorAll(selector));
  const news = (text) => {
    const place = document.getElementById("news");
    if (place && text) place.textContent = text;
  };

  // Talking to the server

  class Trouble extends Error {}

  // A signature that is on its way may have arrived.
  const lost = (path) =>
    path.endsWith("/finish")
      ? "It is not known whether your signature arrived. Reload the page and look before you try again."
      : "The server can’t be reached. Nothing was signed; try again.";

  async function post(path, body) {
    let answer;
    try {
      answer = await fetch(path, {
        method: "POST",
        credentials: "same-origin",
        redirect: "error",
        headers: { "content-type": "application/json", "x-csrf": document.body.dataset.csrf || "" },
        body: JSON.stringify(body),
      });
    } catch {
      throw new Trouble(lost(path));
    }
    let told = {};
    try {
      told = await answer.json();
    } catch {
      // What isn't JSON is told by its status.
    }
    if (!answer.ok) {
      throw new Trouble(told.problem || `The server answered ${answer.status}. ${lost(path)}`);
    }
    return told;
  }

  // Passkeys. WebAuthn's JSON has bytes as base64url.

  const bytes = (text) => {
    const padded = text.replace(/-/g, "+").replace(/_/g, "/").padEnd(Math.ceil(text.length / 4) * 4, "=");
    return Uint8Array.from(atob(padded), (c) => c.charCodeAt(0));
  };
  const text = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const named = (list) => (list || []).map((each) => ({ ...each, id: bytes(each.id) }));

  function translated(error) {
    if (error instanceof Trouble) return error;
    switch (error && error.name) {
      case "NotAllowedError":
        return new Trouble("No passkey was used: it was cancelled, took too long, or none fits. Try again.");
      case "InvalidStateError":
        return new Trouble("This passkey is enrolled here already. Use another one.");
      case "SecurityError":
        return new Trouble("This address does not fit the one passkeys are bound to. Open the console by its public address.");
      default:
        return new Trouble(`The browser could not use a passkey (${(error && error.name) || "unknown error"}).`);
    }
  }

  function supported() {
    if (!window.PublicKeyCredential || !navigator.credentials) {
      throw new Trouble("This browser can’t use passkeys here. They need https, or http://localhost.");
    }
  }

  async function sign(options) {
    supported();
    const asked = options.publicKey;
    const made = await navigator.credentials.get({
      publicKey: { ...asked, challenge: bytes(asked.challenge), allowCredentials: named(asked.allowCredentials) },
    });
    const { authenticatorData, clientDataJSON, signature, userHandle } = made.response;
    return {
      id: made.id,
      rawId: text(made.rawId),
      type: made.type,
      extensions: {},
      response: {
        authenticatorData: text(authenticatorData),
        clientDataJSON: text(clientDataJSON),
        signature: text(signature),
        userHandle: userHandle ? text(userHandle) : null,
      },
    };
  }

  async function create(options) {
    supported();
    const asked = options.publicKey;
    const made = await navigator.credentials.create({
      publicKey: {
        ...asked,
        challenge: bytes(asked.challenge),
        user: { ...asked.user, id: bytes(asked.user.id) },
        excludeCredentials: named(asked.excludeCredentials),
      },
    });
    const { attestationObject, clientDataJSON } = made.response;
    const transports = made.response.getTransports ? made.response.getTransports() : undefined;
    return {
      id: made.id,
      rawId: text(made.rawId),
      type: made.type,
      extensions: {},
      response: { attestationObject: text(attestationObject), clientDataJSON: text(clientDataJSON), transports },
    };
  }

  // Forms that end in a passkey. What they say is in their data attributes.

  const value = (form, name) => {
    const field = form.elements.namedItem(name);
    return field ? field.value : undefined;
  };

  const flows = {
    async enter(form) {
      const begun = await post("/api/sign-in/begin", { name: value(form, "name") || null });
      const credential = await sign(begun.options);
      await post("/api/sign-in/finish", { ticket: begun.ticket, credential });
      location.assign(form.dataset.next || "/");
    },
    async enrol(form) {
      const { token } = form.dataset;
      const begun = await post("/api/enrol/begin", { token });
      const credential = await create(begun.options);
      await post("/api/enrol/finish", { token, ticket: begun.ticket, label: value(form, "label"), credential });
      location.assign("/sign-in");
    },
    async sign(form) {
      const { sign: kind, plan, digest } = form.dataset;
      const begun = await post("/api/sign/begin", { kind, plan, digest, typed: value(form, "typed") ?? null });
      const credential = await sign(begun.options);
      const told = await post("/api/sign/finish", { ticket: begun.ticket, credential });
      await refresh(true);
      news(told.done);
    },
    async people(form) {
      await signPeople(form.dataset.people, form.dataset.digest);
    },
    async propose(form) {
      const data = new FormData(form);
      const { proposal, digest } = await post("/api/people/propose", {
        change: data.get("change"),
        name: data.get("name"),
        groups: data.getAll("group"),
        admin: data.get("admin") === "yes",
        aliases: data.get("aliases") || "",
      });
      await signPeople(proposal, digest);
      form.reset();
    },
  };

  async function signPeople(proposal, digest) {
    const begun = await post("/api/people/begin", { proposal, digest });
    const credential = await sign(begun.options);
    const told = await post("/api/people/finish", { ticket: begun.ticket, credential });
    await refresh(true);
    if (told.link) {
      const panel = document.querySelector("[data-link]");
      const field = panel.querySelector("[data-link-text]");
      panel.hidden = false;
      field.value = told.link;
      field.focus();
      field.select();
    }
    news(told.done);
  }

  document.addEventListener("submit", async (event) => {
    const form = event.target;
    const flow = Object.keys(flows).find((name) => name in form.dataset);
    if (!flow) return;
    event.preventDefault();
    const button = form.querySelector("button[type=submit]");
    const problem = form.querySelector(".problem[role=alert]");
    if (button.getAttribute("aria-disabled") === "true" || button.dataset.busy) return;
    button.dataset.busy = "yes";
    button.setAttribute("aria-busy", "true");
    problem.hidden = true;
    problem.textContent = "";
    try {
      await flows[flow](form);
    } catch (error) {
      problem.textContent = translated(error).message;
      problem.hidden = false;
      if (flow === "propose") await refresh(false);
    } finally {
      delete button.dataset.busy;
      button.removeAttribute("aria-busy");
    }
  });

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const field = button.parentElement.querySelector("[data-link-text]");
    field.select();
    try {
      await navigator.clipboard.writeText(field.value);
      news("The link is copied.");
      button.textContent = "Copied";
    } catch {
      news("The link is selected; copy it.");
    }
  });

  // Time. Counted from when the page came, so that a wrong clock here does not matter.

  const come = performance.now();
  const two = (big, one, small, other) => `${big} ${one} ${small} ${other}`;
  function span(milliseconds) {
    const minutes = Math.floor(milliseconds / 60000);
    if (milliseconds <= 0) return "0 min";
    if (minutes < 1) return `${Math.floor(milliseconds / 1000)} s`;
    if (minutes < 60) return `${minutes} min`;
    const hours = Math.floor(minutes / 60);
    return hours < 24 ? two(hours, "h", minutes % 60, "min") : two(Math.floor(hours / 24), "d", hours % 24, "h");
  }

  function prepare(within = document) {
    all("[data-enable]", within).forEach((button) => {
      const wait = Number(button.dataset.readyIn || 0);
      button.disabled = false;
      button.dataset.readyAt = String(performance.now() + wait * 1000);
      if (wait > 0) button.setAttribute("aria-disabled", "true");
    });
    all("[data-until]", within).forEach((time) => {
      time.dataset.from = String(performance.now());
      time.title = new Date(Number(time.dataset.until)).toLocaleString();
    });
    all("time[datetime]:not([title])", within).forEach((time) => {
      time.title = new Date(time.dateTime).toLocaleString();
    });
  }

  function tick() {
    const now = performance.now();
    all("[data-until]").forEach((time) => {
      const left = Number(time.dataset.until) - Number(time.dataset.now) - (now - Number(time.dataset.from || come));
      const told = span(left);
      if (time.textContent !== told) time.textContent = told;
    });
    all("button[aria-disabled=true][data-ready-at]").forEach((button) => {
      const left = Math.ceil((Number(button.dataset.readyAt) - now) / 1000);
      const reading = button.form.querySelector("[data-reading]");
      if (left > 0) {
        const count = reading && reading.querySelector("[data-count]");
        if (count) count.textContent = String(left);
        return;
      }
      button.removeAttribute("aria-disabled");
      if (reading) reading.hidden = true;
      news("You can sign now.");
    });
  }

  // Live: the parts of the page that are marked are replaced by what the server shows now, but for those in which
  // somebody is typing.

  const untouched = (part) =>
    !(part.contains(document.activeElement) && document.activeElement.matches("input, textarea, select")) &&
    !all("[data-keep]", part).some((field) => field.value !== field.defaultValue) &&
    !part.querySelector("[data-busy]");

  async function refresh(force) {
    let answer;
    try {
      answer = await fetch(location.href, { credentials: "same-origin", headers: { accept: "text/html", "x-refresh": "yes" } });
    } catch {
      return;
    }
    if (answer.redirected) {
      if (force || all("[data-keep]").every((field) => field.value === field.defaultValue)) location.reload();
      return;
    }
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    document.title = fresh.title;
    let told = "";
    all("body [data-live]").forEach((part) => {
      const now = fresh.querySelector(`body [data-live="${part.dataset.live}"]`);
      if (!now || now.innerHTML === part.dataset.was || (!force && !untouched(part))) return;
      const says = now.dataset.says || "";
      if (says && says !== part.dataset.says) told = says;
      const open = all("details", part).map((each) => each.open);
      const copy = document.importNode(now, true);
      copy.dataset.was = now.innerHTML;
      part.replaceWith(copy);
      all("details", copy).forEach((each, at) => {
        if (open[at]) each.open = true;
      });
      prepare(copy);
    });
    const parts = (page) => all("body [data-live]", page).map((part) => part.dataset.live).join();
    if (parts(document) !== parts(fresh) && all("[data-keep]").every((field) => field.value === field.defaultValue)) {
      location.reload();
      return;
    }
    news(told);
  }

  let stream = null;
  let soon = 0;
  function listen() {
    if (stream || document.hidden) return;
    stream = new EventSource("/events");
    stream.onmessage = () => {
      clearTimeout(soon);
      soon = setTimeout(() => refresh(false), 1000);
    };
    stream.onerror = () => {
      // Closed for good, as when the session has ended or too many pages are open: look again when somebody does.
      if (stream && stream.readyState === EventSource.CLOSED) stream = null;
    };
  }

  prepare();
  all("[data-origin]").forEach((warning) => (warning.hidden = warning.dataset.origin === location.origin));
  all("body [data-live]").forEach((part) => (part.dataset.was = part.innerHTML));
  setInterval(tick, 500);
  if ("live" in document.body.dataset) {
    listen();
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) {
        if (stream) stream.close();
        stream = null;
      } else {
        refresh(false);
        listen();
      }
    });
  }
})();
