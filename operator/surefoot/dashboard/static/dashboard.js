"use strict";
/* The dialog, the plots and the passkey; everything else is htmx. */

const base = document.body.dataset.base;
const user = document.body.dataset.user;
const dialog = document.getElementById("dialog");
const content = document.getElementById("content");
const KEPT = "surefoot-passkeys";
const PATIENCE = 120000; // milliseconds in which somebody touches their key

// What is pressed before the scripts are there would do nothing, and nobody would be told.
document.addEventListener("DOMContentLoaded", () => {
  content.inert = false;
});

// The dialog opens with what was loaded into it, and gives the focus back.
let opener = null;
document.body.addEventListener("htmx:beforeRequest", (event) => {
  if (event.detail.elt.matches("button[hx-get]")) opener = event.detail.elt;
});
// Only once htmx has taken the form: what is pressed earlier would go nowhere, and leave the page.
document.body.addEventListener("htmx:afterSettle", (event) => {
  const target = event.detail.target; // absent where an event of the server was put in
  if (target && target.id === "dialog-body") {
    if (!dialog.open) dialog.showModal();
    const first = dialog.querySelector("[autofocus]");
    if (first) first.focus();
  }
});
// News take neither the focus nor what is open: what was drawn again has its id from before.
let open = [];
let hadFocus = false;
document.body.addEventListener("htmx:sseBeforeMessage", (event) => {
  open = [...event.target.querySelectorAll("details[open] > summary")].map((each) => each.id);
  hadFocus = event.target.contains(document.activeElement);
});
dialog.addEventListener("submit", (event) => event.preventDefault());
document.body.addEventListener("htmx:sseMessage", () => {
  for (const id of open) document.getElementById(id)?.parentElement.setAttribute("open", "");
  if (hadFocus && document.activeElement === document.body) content.focus({ preventScroll: true });
  const data = document.getElementById("plots-data");
  if (data) draw(data.textContent);
});
document.body.addEventListener("htmx:sseError", () => {
  const state = document.querySelector(".state");
  if (state) {
    state.textContent = "";
    const said = document.createElement("span");
    said.className = "bad";
    said.textContent = "The dashboard has ended, or cannot be reached.";
    state.append(said);
  }
});
dialog.addEventListener("click", (event) => {
  if (event.target.closest("[data-close]")) dialog.close();
});
dialog.addEventListener("close", () => {
  document.getElementById("dialog-body").textContent = "";
  const again = opener && (opener.isConnected ? opener : document.getElementById(opener.id));
  if (opener) (again || content).focus({ preventScroll: true });
});

// Plots: the samples, and each bound as a dashed line across them.
const drawn = new Map();
let last = "";
function draw(text) {
  if (!text || text === last || typeof uPlot === "undefined") return;
  last = text;
  const place = document.getElementById("plots");
  const style = getComputedStyle(document.documentElement);
  const ink = style.getPropertyValue("--pico-color").trim();
  const blue = style.getPropertyValue("--blue").trim();
  const bad = style.getPropertyValue("--bad").trim();
  const line = style.getPropertyValue("--pico-muted-border-color").trim();
  for (const metric of JSON.parse(text)) {
    const data = [metric.times, metric.values];
    for (const bound of metric.bounds) data.push(metric.times.map(() => bound.at));
    const shape = JSON.stringify(metric.bounds);
    const known = drawn.get(metric.name);
    if (known && known.shape === shape) {
      known.plot.setData(data);
      continue;
    }
    if (known) known.figure.remove();
    const figure = document.createElement("figure");
    const caption = document.createElement("figcaption");
    caption.textContent = [metric.name, ...metric.bounds.map((bound) => bound.name)].join(" · ");
    figure.append(caption);
    place.append(figure);
    const axis = { stroke: ink, grid: { stroke: line }, ticks: { stroke: line } };
    const plot = new uPlot({
      width: Math.max(260, figure.clientWidth), height: 150, legend: { show: false },
      cursor: { show: false }, axes: [axis, { ...axis, size: 60 }],
      scales: { y: { range: (_u, low, high) => (low === high ? [low - 1, high + 1] : [Math.min(0, low), high * 1.1]) } },
      series: [{}, { stroke: blue, width: 2, points: { show: false } },
        ...metric.bounds.map(() => ({ stroke: bad, width: 1.5, dash: [6, 4], points: { show: false } }))],
    }, data, figure);
    drawn.set(metric.name, { plot, shape, figure });
  }
}
addEventListener("resize", () => {
  for (const { plot, figure } of drawn.values()) {
    plot.setSize({ width: Math.max(260, figure.clientWidth), height: 150 });
  }
});

// Passkeys: the browser keeps the public key of each that was made here.
function encode(buffer) {
  return btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
function decode(text) {
  return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
}
function keys() {
  return JSON.parse(localStorage.getItem(KEPT) || "{}");
}
async function make() {
  const made = await navigator.credentials.create({ publicKey: {
    rp: { id: "localhost", name: "Surefoot" },
    user: { id: new TextEncoder().encode(user), name: user, displayName: user },
    challenge: crypto.getRandomValues(new Uint8Array(32)),
    pubKeyCredParams: [{ type: "public-key", alg: -7 }],
    authenticatorSelection: { residentKey: "preferred", userVerification: "preferred" },
    timeout: PATIENCE,
  } });
  const body = new URLSearchParams({ publicKey: encode(made.response.getPublicKey()) });
  const answer = await fetch(`${base}/passkey`, { method: "POST", body, headers: { "X-Surefoot": "1" } });
  const found = await answer.json();
  if (!answer.ok) throw new Error(found.fault);
  localStorage.setItem(KEPT, JSON.stringify({ ...keys(), [made.id]: found.key }));
  document.getElementById("passkey-line").textContent = found.line;
  document.getElementById("passkey-made").hidden = false;
}
const maker = document.getElementById("make-passkey");
if (maker) {
  maker.addEventListener("click", async () => {
    const fault = document.getElementById("passkey-fault");
    fault.textContent = "";
    try {
      await make();
    } catch (error) {
      fault.textContent = `No passkey was made: ${error.message}`;
    }
  });
}

// What is to be signed is signed before the form goes: htmx waits until it is told to go on.
document.body.addEventListener("htmx:confirm", (event) => {
  const form = event.detail.elt;
  if (!form.dataset || !form.dataset.challenge) return;
  event.preventDefault();
  sign(form).then(() => event.detail.issueRequest(true)).catch((error) => {
    form.querySelector("[data-fault]").textContent = `Nothing was signed: ${error.message}`;
  });
});
async function sign(form) {
  const known = keys();
  const ids = Object.keys(known);
  if (!ids.length) throw new Error("this browser has no passkey of yours; make one under Passkey");
  const answer = await navigator.credentials.get({ publicKey: {
    rpId: "localhost", challenge: decode(form.dataset.challenge), userVerification: "preferred", timeout: PATIENCE,
    allowCredentials: ids.map((id) => ({ type: "public-key", id: decode(id) })),
  } });
  form.elements.key.value = known[answer.id];
  form.elements.assertion.value = JSON.stringify({
    authenticatorData: encode(answer.response.authenticatorData),
    clientDataJSON: encode(answer.response.clientDataJSON),
    signature: encode(answer.response.signature),
  });
}
