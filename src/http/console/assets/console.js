// The console works without this file. It adds keys, a copy button and the marks of what only a script can do.
// It builds nodes and sets text; it never reads markup.
"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  const all = (selector, from) => Array.from((from || document).querySelectorAll(selector));
  const stored = (name) => { try { return localStorage.getItem(name); } catch { return null; } };
  const store = (name, value) => { try { localStorage.setItem(name, value); } catch { /* a browser that keeps nothing */ } };
  const on = () => stored("memgate-keys") !== "off";

  const box = document.getElementById("keys-on");
  if (box) {
    box.checked = on();
    box.addEventListener("change", () => store("memgate-keys", box.checked ? "on" : "off"));
  }

  // What is copied is the escaped form: nothing hidden goes to the clipboard.
  for (const button of all("[data-copy]")) {
    const source = document.getElementById(button.dataset.copy);
    button.addEventListener("click", async () => {
      const before = button.textContent;
      try {
        await navigator.clipboard.writeText(source.textContent);
        button.textContent = "Copied";
      } catch {
        source.hidden = !source.hidden;
        button.textContent = source.hidden ? before : "Shown below";
      }
      setTimeout(() => { button.textContent = before; }, 2000);
    });
  }
  // Copying by hand gives the escaped form, too, when the whole text is selected.
  for (const text of all("[data-text]")) {
    text.addEventListener("copy", (event) => {
      const chosen = document.getSelection();
      const whole = document.getElementById("escapes");
      if (whole && chosen && chosen.toString().length >= text.textContent.length) {
        event.clipboardData.setData("text/plain", whole.textContent);
        event.preventDefault();
      }
    });
  }

  const list = document.querySelector("table[data-keys=list]");
  const rows = list ? all("tr.row", list) : [];
  let at = -1;
  const go = (to) => {
    if (!rows.length) return;
    if (rows[at]) rows[at].classList.remove("here");
    at = Math.max(0, Math.min(rows.length - 1, to));
    rows[at].classList.add("here");
    const link = rows[at].querySelector("a.open");
    if (link) link.focus({ preventScroll: true });
    rows[at].scrollIntoView({ block: "nearest" });
  };
  rows.forEach((row, number) => row.addEventListener("focusin", () => {
    if (rows[at]) rows[at].classList.remove("here");
    at = number;
    row.classList.add("here");
  }));

  const act = (name) => {
    const form = document.querySelector(`form[data-act=${name}]`);
    const first = form && form.querySelector("select, button");
    if (first) first.focus();
    return Boolean(first);
  };
  const places = { q: "queue", s: "stores", d: "dreams", r: "rules", a: "audit", h: "health" };
  let going = 0;

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing || !on()) return;
    const target = event.target;
    const typing = target.matches("input:not([type=checkbox]), textarea, [contenteditable]");
    if (typing) {
      if (event.key === "Escape") target.blur();
      return;
    }
    if (target.matches("select")) {
      // Digits choose a reason; enter sends the form. Two steps: a list with a choice, then a key.
      const form = target.form;
      if (/^[1-9]$/.test(event.key) && target.options[Number(event.key)]) {
        target.selectedIndex = Number(event.key);
        event.preventDefault();
      } else if (event.key === "Enter" && form && target.value) {
        const button = form.querySelector("button[name=verb]");
        if (form.reportValidity()) form.requestSubmit(button);
        event.preventDefault();
      } else if (event.key === "Escape") {
        target.blur();
      }
      return;
    }
    const key = event.key;
    let done = true;
    if (going && Date.now() - going < 1500 && places[key]) {
      location.assign("/console/" + places[key]);
    } else if (key === "g") {
      going = Date.now();
      return;
    } else if (key === "j") go(at + 1);
    else if (key === "k") go(at - 1);
    else if (key === "x" && rows[at]) {
      const pick = rows[at].querySelector("input[type=checkbox]");
      if (pick) pick.checked = !pick.checked;
    } else if (key === "/") {
      const filter = document.getElementById("filter");
      if (filter) filter.focus(); else done = false;
    } else if (key === "?") location.assign("/console/help");
    else if (key === "d") done = act("destroy");
    else if (key === "l") done = act("release");
    else if (key === "z") done = act("undo");
    else if (key === "c") done = act("claim");
    else if (key === "v") {
      const tabs = all("nav.tabs a");
      const now = tabs.findIndex((tab) => tab.getAttribute("aria-current"));
      if (tabs.length) location.assign(tabs[(now + 1) % tabs.length].href); else done = false;
    } else done = false;
    going = 0;
    if (done) event.preventDefault();
  });

  // A sent form is sent once.
  for (const form of all("form[method=post]")) {
    form.addEventListener("submit", () => {
      if (form.dataset.sent) return;
      form.dataset.sent = "yes";
      setTimeout(() => { for (const button of all("button", form)) button.disabled = true; }, 0);
      // Back from the next page, or after a stop, it can be sent again.
      window.addEventListener("pageshow", () => { for (const button of all("button", form)) button.disabled = false; });
    });
  }
})();
