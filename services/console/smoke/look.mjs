// What every page must be like, whoever looks at it and however: checked in the page itself.

// wrong tells what is wrong with the page as it stands.
const wrong = () => {
  const found = [];
  const shown = (e) => e.checkVisibility({ checkVisibilityCSS: true, checkOpacity: true }) && e.getClientRects().length > 0;
  const what = (e) => e.outerHTML.slice(0, 120).replace(/\s+/g, " ");
  const all = (selector) => [...document.querySelectorAll(selector)].filter(shown);
  const name = (e) => (e.getAttribute("aria-label") || e.textContent || e.title || "").trim();
  const over = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  if (over > 0) {
    const wide = all("body *").find((e) => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1 && !e.closest(".scroll, pre, .lines"));
    found.push(`it is ${over} px wider than the window: ${wide && what(wide)}`);
  }
  if (document.querySelectorAll("h1").length !== 1) found.push("it has not one h1");
  for (const e of all("input:not([type=hidden]), select, textarea")) if (!e.labels?.length && !e.getAttribute("aria-label")) found.push(`no label: ${what(e)}`);
  for (const e of all("button, a[href], summary")) if (!name(e)) found.push(`no name: ${what(e)}`);
  for (const e of all("img, svg[role=img]")) if (!e.hasAttribute("alt") && !e.getAttribute("aria-label")) found.push(`no text for a picture: ${what(e)}`);
  for (const e of all("a[href], button, input, select, textarea, summary")) if (e.tabIndex !== 0 && !e.disabled) found.push(`not where the keyboard comes by: ${what(e)}`);
  const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
  for (const id of new Set(ids.filter((id, i) => ids.indexOf(id) !== i))) found.push(`two things have the id ${id}`);

  // Contrast, as WCAG AA wants it.
  const rgba = (text) => { const n = text.match(/[\d.]+/g).map(Number); return [n[0], n[1], n[2], n[3] ?? 1]; };
  const light = (c) => {
    const [r, g, b] = c.map((v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (e) => {
    for (; e; e = e.parentElement) { const c = rgba(getComputedStyle(e).backgroundColor); if (c[3] > 0) return c; }
    return [255, 255, 255];
  };
  const seen = new Set();
  for (const e of all("body *")) {
    if (e.closest("svg, option, [disabled]") || ![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())) continue;
    const style = getComputedStyle(e), big = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700);
    const [a, b] = [light(rgba(style.color)), light(behind(e))], ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const key = style.color + e.className;
    if (ratio < (big ? 3 : 4.5) && !seen.has(key)) { seen.add(key); found.push(`a contrast of ${ratio.toFixed(2)}: ${what(e)}`); }
  }
  return found;
};

// reach tells what the keyboard does not reach, or reaches unseen. It starts at the top.
const reach = async (page) => {
  const found = [];
  await page.evaluate(() => { document.activeElement?.blur(); getSelection().removeAllRanges(); scrollTo(0, 0); });
  await page.locator("body").press("Tab");
  const focus = () => {
    const e = document.activeElement, style = getComputedStyle(e);
    return { text: (e.textContent || e.name || "").trim().slice(0, 40), skip: e.matches(".skip"), ring: e === document.body || (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2) };
  };
  for (let i = 0; i < 12; i++) {
    const at = await page.evaluate(focus);
    if (!at.ring && !at.skip) found.push(`nobody sees that ${at.text} has the focus`);
    await page.keyboard.press("Tab");
  }
  await page.evaluate(() => document.activeElement?.blur());
  return found;
};

// check fails where something is wrong with a page, in the window of a phone and of a desk,
// in light and dark.
export const check = async (page, at) => {
  const found = new Set();
  for (const [width, scheme] of [[390, "light"], [390, "dark"], [1280, "dark"], [1280, "light"]]) {
    await page.setViewportSize({ width, height: 900 });
    await page.emulateMedia({ colorScheme: scheme });
    for (const f of await page.evaluate(wrong)) found.add(`${width} px, ${scheme}: ${f}`);
  }
  for (const f of await reach(page)) found.add(f);
  if (found.size) throw new Error(`${at}: ${[...found].join("\n")}`);
};

// kind is the same for pages that differ in what they are about only.
const kind = (path) => path.replace(/\/\d+/g, "/N").replace(/\/(bots|chats)\/[^/N][^/]*/, "/$1/NAME");

// crawl opens one page of each kind that links lead to, and lets each be looked at.
export const crawl = async (page, origin, look) => {
  const left = ["/"], seen = new Set(["/"]);
  while (left.length) {
    const path = left.shift();
    const answer = await page.goto(origin + path);
    if (!answer.ok()) throw new Error(`${path}: ${answer.status()}`);
    await look(path);
    for (const href of await page.$$eval("a[href]", (all) => all.filter((a) => a.origin === location.origin && !a.href.includes("/export")).map((a) => a.pathname))) {
      if (!seen.has(kind(href))) { seen.add(kind(href)); left.push(href); }
    }
  }
  return seen.size;
};
