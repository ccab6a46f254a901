// Keeps the page up to date, and sends its forms without leaving it. Everything works without this script.
"use strict";

const SHORTEST_WAIT = 1000;
const LONGEST_WAIT = 10000;
const PARTS = ["head", "main", "ask-reset"];

let round = 0;
let timer = 0;
let typing = 0;
let wait = SHORTEST_WAIT;

// Makes an element like a fresh one, in place: focus, scroll, typed text and open details stay.

const keyOf = (node) => (node.nodeType === Node.ELEMENT_NODE ? node.dataset.key || node.id : "");

// What the user or this script has set; a typed value is no attribute, so it stays anyway.
const isKept = (name) => ["open", "checked", "selected", "data-changed"].includes(name);

function update(old, fresh) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== fresh.data) {
      old.data = fresh.data;
      flash(old.parentElement.closest("[data-flash]"));
    }
    return;
  }
  if (old.hasAttribute("data-script") || old.isEqualNode(fresh)) return;
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !isKept(name)) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value && !isKept(name)) old.setAttribute(name, value);
  }
  updateChildren(old, fresh);
}

function updateChildren(old, fresh) {
  const keyed = new Map();
  for (const child of old.children) if (keyOf(child)) keyed.set(keyOf(child), child);
  let spot = old.firstChild;
  for (const next of fresh.childNodes) {
    const key = keyOf(next);
    let match = key ? keyed.get(key) : spot && !keyOf(spot) ? spot : null;
    if (match && match.nodeName !== next.nodeName) match = null;
    if (!match) {
      old.insertBefore(document.importNode(next, true), spot);
      continue;
    }
    keyed.delete(key);
    if (match === spot) spot = spot.nextSibling;
    else old.insertBefore(match, spot);
    update(match, next);
  }
  while (spot) {
    const next = spot.nextSibling;
    spot.remove();
    spot = next;
  }
}

function flash(element) {
  if (!element) return;
  element.removeAttribute("data-changed");
  void element.offsetWidth; // starts the animation anew
  element.setAttribute("data-changed", "");
}

function show(text) {
  const fresh = new DOMParser().parseFromString(text, "text/html");
  for (const id of PARTS) {
    const part = fresh.getElementById(id);
    if (!part) throw new Error("This is not the sandbox's page.");
    update(document.getElementById(id), part);
  }
  const took = Number(fresh.getElementById("main").dataset.took);
  wait = Math.min(Math.max(SHORTEST_WAIT, took * 10), LONGEST_WAIT);
  return fresh.getElementById("message");
}

function say(text, failed) {
  const message = document.getElementById("message");
  message.textContent = text;
  message.className = failed ? "failed" : "done";
}

// What the badge beside the address says: live, paused or gone.

function become(state) {
  const live = document.getElementById("live");
  if (live.dataset.state === state) return;
  const before = live.dataset.state;
  live.dataset.state = state;
  live.textContent = state;
  document.documentElement.classList.toggle("gone", state === "gone");
  if (state === "gone") say("The sandbox does not answer. This page tries again every second.", true);
  if (before === "gone" && state === "live") say("The sandbox is back.", false);
}

async function refresh() {
  clearTimeout(timer);
  if (document.hidden) return;
  const mine = ++round;
  try {
    const response = await fetch(`/${location.search}`, { signal: AbortSignal.timeout(15000) });
    const text = await response.text();
    if (mine !== round) return;
    show(text);
    become("live");
  } catch (error) {
    if (mine !== round) return;
    wait = SHORTEST_WAIT;
    become("gone");
  }
  timer = setTimeout(refresh, wait);
}

async function post(form, submitter) {
  clearTimeout(timer);
  const mine = ++round;
  try {
    const body = new URLSearchParams(new FormData(form, submitter));
    const response = await fetch(form.getAttribute("action"), { method: "POST", body });
    const text = await response.text();
    if (mine !== round) return;
    const message = show(text);
    become("live");
    say(message.textContent, message.className === "failed");
  } catch (error) {
    if (mine !== round) return;
    become("gone");
  }
  timer = setTimeout(refresh, wait);
}

function choose(name, value, delay) {
  const view = new URLSearchParams(location.search);
  if (value) view.set(name, value);
  else view.delete(name);
  history.replaceState(null, "", view.size ? `/?${view}` : "/");
  clearTimeout(typing);
  typing = setTimeout(refresh, delay);
}

function chosen(control) {
  return control.type === "checkbox" ? (control.checked ? control.value : "") : control.value;
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  event.preventDefault();
  if (form.getAttribute("method") === "post") {
    form.closest("dialog")?.close();
    post(form, event.submitter);
    return;
  }
  for (const control of form.querySelectorAll("[data-view]")) choose(control.name, chosen(control), 0);
});

document.addEventListener("input", (event) => {
  const control = event.target;
  if (control.matches("[data-view]")) choose(control.name, chosen(control), control.type === "search" ? 150 : 0);
});

document.addEventListener("click", (event) => {
  const link = event.target.closest("a");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  if (link.dataset.opens) {
    document.getElementById(link.dataset.opens).showModal();
  } else if ("closes" in link.dataset) {
    link.closest("dialog").close();
  } else if (link.dataset.campaign) {
    document.querySelector("#filter select[name=campaign]").value = link.dataset.campaign;
    choose("campaign", link.dataset.campaign, 0);
    document.getElementById("leads").scrollIntoView({ block: "nearest" });
  } else {
    return;
  }
  event.preventDefault();
});

document.addEventListener("animationend", (event) => event.target.removeAttribute("data-changed"));

document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    ++round; // an answer that is still to come does not count
    become("paused");
  } else {
    refresh();
  }
});

document.documentElement.classList.add("scripted");
const asked = document.querySelector("dialog[open]");
if (asked) {
  asked.close();
  asked.showModal();
}
const address = new URLSearchParams(location.search);
for (const name of ["done", "ask"]) address.delete(name);
history.replaceState(null, "", `/${address.size ? `?${address}` : ""}${location.hash}`);
refresh();
