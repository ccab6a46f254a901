// Polls for updates and submits forms in the background. The page also works without this script.
"use strict";

const MIN_POLL_INTERVAL = 1000;
const MAX_POLL_INTERVAL = 10000;
const PARTS = ["head", "main", "ask-reset"];

let requestNumber = 0;
let timer = 0;
let typingTimer = 0;
let pollInterval = MIN_POLL_INTERVAL;

// Patches an element in place to match a new version; keeps focus, scroll position, typed text and open details.

const keyOf = (node) => (node.nodeType === Node.ELEMENT_NODE ? node.dataset.key || node.id : "");

// Attributes set by the user or by this script. A typed value is a property, not an attribute.
const isKept = (name) => ["open", "checked", "selected", "data-changed"].includes(name);

function update(old, latest) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== latest.data) {
      old.data = latest.data;
      flash(old.parentElement.closest("[data-flash]"));
    }
    return;
  }
  if (old.hasAttribute("data-script") || old.isEqualNode(latest)) return;
  for (const { name } of [...old.attributes]) {
    if (!latest.hasAttribute(name) && !isKept(name)) old.removeAttribute(name);
  }
  for (const { name, value } of latest.attributes) {
    if (old.getAttribute(name) !== value && !isKept(name)) old.setAttribute(name, value);
  }
  updateChildren(old, latest);
}

function updateChildren(old, latest) {
  const keyed = new Map();
  for (const child of old.children) if (keyOf(child)) keyed.set(keyOf(child), child);
  let position = old.firstChild;
  for (const next of latest.childNodes) {
    const key = keyOf(next);
    let match = key ? keyed.get(key) : position && !keyOf(position) ? position : null;
    if (match && match.nodeName !== next.nodeName) match = null;
    if (!match) {
      old.insertBefore(document.importNode(next, true), position);
      continue;
    }
    keyed.delete(key);
    if (match === position) position = position.nextSibling;
    else old.insertBefore(match, position);
    update(match, next);
  }
  while (position) {
    const next = position.nextSibling;
    position.remove();
    position = next;
  }
}

function flash(element) {
  if (!element) return;
  element.removeAttribute("data-changed");
  void element.offsetWidth; // restarts the animation
  element.setAttribute("data-changed", "");
}

function show(text) {
  const latest = new DOMParser().parseFromString(text, "text/html");
  for (const id of PARTS) {
    const part = latest.getElementById(id);
    if (!part) throw new Error("The response is not the sandbox's page.");
    update(document.getElementById(id), part);
  }
  const took = Number(latest.getElementById("main").dataset.took);
  pollInterval = Math.min(Math.max(MIN_POLL_INTERVAL, took * 10), MAX_POLL_INTERVAL);
  return latest.getElementById("message");
}

function showMessage(text, failed) {
  const message = document.getElementById("message");
  message.textContent = text;
  message.className = failed ? "failed" : "done";
}

// Sets the connection status next to the address: live, paused or offline.

function setStatus(state) {
  const live = document.getElementById("live");
  if (live.dataset.state === state) return;
  const before = live.dataset.state;
  live.dataset.state = state;
  live.textContent = state;
  document.documentElement.classList.toggle("offline", state === "offline");
  if (state === "offline") showMessage("The sandbox does not respond. Retrying every second.", true);
  if (before === "offline" && state === "live") showMessage("Connected to the sandbox again.", false);
}

async function refresh() {
  clearTimeout(timer);
  if (document.hidden) return;
  const current = ++requestNumber;
  try {
    const response = await fetch(`/${location.search}`, { signal: AbortSignal.timeout(15000) });
    const text = await response.text();
    if (current !== requestNumber) return;
    show(text);
    setStatus("live");
  } catch (error) {
    if (current !== requestNumber) return;
    pollInterval = MIN_POLL_INTERVAL;
    setStatus("offline");
  }
  timer = setTimeout(refresh, pollInterval);
}

async function post(form, submitter) {
  clearTimeout(timer);
  const current = ++requestNumber;
  try {
    const body = new URLSearchParams(new FormData(form, submitter));
    const response = await fetch(form.getAttribute("action"), { method: "POST", body });
    const text = await response.text();
    if (current !== requestNumber) return;
    const message = show(text);
    setStatus("live");
    showMessage(message.textContent, message.className === "failed");
  } catch (error) {
    if (current !== requestNumber) return;
    setStatus("offline");
  }
  timer = setTimeout(refresh, pollInterval);
}

function choose(name, value, delay) {
  const view = new URLSearchParams(location.search);
  if (value) view.set(name, value);
  else view.delete(name);
  history.replaceState(null, "", view.size ? `/?${view}` : "/");
  clearTimeout(typingTimer);
  typingTimer = setTimeout(refresh, delay);
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

async function copy(button) {
  const code = button.parentElement.querySelector("code");
  try {
    await navigator.clipboard.writeText(code.textContent);
    showMessage("Copied.", false);
  } catch (error) {
    // The clipboard is available on https and on this machine only.
    getSelection().selectAllChildren(code);
    showMessage("The browser does not allow copying. The text is selected: press Ctrl+C.", true);
  }
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-copy]");
  if (button) copy(button);
});

document.addEventListener("animationend", (event) => event.target.removeAttribute("data-changed"));

document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    ++requestNumber; // ignores a pending response
    setStatus("paused");
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
