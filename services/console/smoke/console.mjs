// Uses a console as people do, in a real browser. It says each step that is done.
import { createHmac } from "node:crypto";
import { chromium } from "playwright-core";
import { check, crawl } from "./look.mjs";

const { CONSOLE, LINK, PERSON, SHOTS } = process.env;
const password = "a long enough password";
const done = (step) => console.log(step);
const must = (is, what) => {
  if (!is) throw new Error(what);
};

const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
const context = await browser.newContext();
context.setDefaultTimeout(45_000); // a machine may be busy with much else
const page = await context.newPage();
page.on("pageerror", (error) => { throw error; });
page.on("console", (message) => {
  if (message.type() === "error" && /Content Security Policy/.test(message.text())) throw new Error(message.text());
});

// code is what an authenticator shows (RFC 6238) so many steps from now.
const code = (secret, later = 0) => {
  const bits = [...secret.replace(/[\s=]/g, "")].map((c) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(c).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + later));
  const mac = createHmac("sha1", key).update(counter).digest();
  const at = mac[19] & 15;
  return String((mac.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, "0");
};

const login = async () => {
  await page.goto(CONSOLE + "/login");
  await page.getByLabel("Name").fill("anna");
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Log in", exact: true }).click();
};
const at = (path) => page.waitForURL((url) => url.pathname === path);
// press uses a button that changes something, by the keyboard, and waits for the console's
// answer: whoever leaves a page before that may end the request.
const press = async (button) => {
  const answered = page.waitForResponse((r) => r.request().method() === "POST");
  await button.press("Enter");
  await answered;
  await page.waitForLoadState();
};
// shot checks a page, and keeps a picture of it for who wants to look at it.
const shot = async (name) => {
  await check(page, name);
  if (!SHOTS) return;
  for (const [width, scheme] of [[1280, "light"], [1280, "dark"], [390, "light"]]) {
    await page.setViewportSize({ width, height: 900 });
    await page.emulateMedia({ colorScheme: scheme });
    await page.screenshot({ path: `${SHOTS}/${name}-${width}-${scheme}.png` });
  }
  await page.setViewportSize({ width: 1280, height: 900 });
  await page.emulateMedia({ colorScheme: "light" });
};
const logOut = async () => {
  await press(page.getByRole("button", { name: "Log out", exact: true }));
  await at("/login");
};

await page.goto(CONSOLE + "/turns");
await at("/login");
must((await page.request.get(CONSOLE + "/api/v1/overview")).status() === 401, "the API answers a stranger");
must((await page.request.post(CONSOLE + "/join", { form: { code: "guessed", name: "eve", password } })).status() >= 400, "a guessed link works");
done("nothing without the link");

await page.goto(LINK);
await page.getByLabel("Name").fill("anna");
await page.getByLabel(/Password/).fill(password);
await press(page.getByRole("button", { name: "Go on" }));
await page.waitForURL(CONSOLE + "/");
done("made an account by the link");

const stranger = await browser.newContext();
const other = await stranger.newPage();
await other.goto(LINK);
await other.getByLabel("Name").fill("eve");
await other.getByLabel(/Password/).fill(password);
await other.getByRole("button", { name: "Go on" }).click();
await other.getByRole("alert").waitFor();
await stranger.close();
done("the link works once");

await page.goto(CONSOLE + "/account");
await press(page.getByRole("button", { name: "Set up an authenticator" }));
const secret = await page.locator("pre.secret").innerText();
await page.getByLabel("The code that it shows").fill(code(secret));
await press(page.getByRole("button", { name: "Turn on" }));
await page.getByText("Each login with the password asks").waitFor();
await logOut();
await login();
await page.getByLabel("Code of your authenticator").fill(code(secret, 1)); // each works once
await page.getByRole("button", { name: "Log in", exact: true }).click();
await page.waitForURL(CONSOLE + "/");
done("logged in with a code");

const devtools = await context.newCDPSession(page);
await devtools.send("WebAuthn.enable");
await devtools.send("WebAuthn.addVirtualAuthenticator", {
  options: { protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true },
});
await page.goto(CONSOLE + "/account");
await page.getByLabel("Its name").fill("test key");
await page.getByRole("button", { name: "Add a passkey" }).click();
await page.getByText("test key").waitFor();
await logOut();
await page.getByRole("button", { name: "Log in with a passkey" }).click();
await page.waitForURL(CONSOLE + "/");
done("logged in with a passkey");

await page.goto(CONSOLE + "/chats");
await page.getByRole("link", { name: "The Slow Readers" }).click();
const said = page.locator("#lines > li[id]");
await said.first().waitFor();
const before = await said.count();
await page.waitForFunction((n) => document.querySelectorAll("#lines > li[id]").length > n, before); // nothing was loaded anew
// A tab that nobody sees asks for nothing, and catches up when it is seen.
const see = (is) => page.evaluate((hidden) => {
  Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}, !is);
let asked = 0;
page.on("request", (request) => { if (request.url().includes("/lines?")) asked++; });
await see(false);
asked = 0;
const unseen = await said.count();
const api = CONSOLE + "/api/v1" + new URL(page.url()).pathname + "/lines?after=" + (await said.last().getAttribute("id")).slice(1);
while ((await (await page.request.get(api)).json()).lines.length < 2) await page.waitForTimeout(200);
must(asked === 0 && await said.count() === unseen, `a hidden page asked ${asked} times`);
await see(true);
await page.waitForFunction((n) => document.querySelectorAll("#lines > li[id]").length > n, unseen);
await shot("chat");
done("watched a chat");

await said.locator("a", { hasText: "why" }).last().click();
await page.waitForURL(/\/chats\/\d+\/turns\/\d+$/);
await page.getByRole("columnheader", { name: /rule/i }).first().waitFor();
await shot("why");
done("explained a line");

const chat = new URL(page.url()).pathname.match(/^\/chats\/\d+/)[0];
const card = (title) => page.locator("section, div.card, form").filter({ has: page.getByRole("heading", { name: title, exact: true }) }).last();
const heard = "The kettle is on, says the bot.";
await page.goto(CONSOLE + chat + "/direct");
await card("Say a line").getByLabel("The line").fill(heard);
await press(card("Say a line").getByRole("button", { name: "Send" }));
await page.goto(CONSOLE + chat);
await page.locator("#lines > li", { hasText: heard }).first().waitFor();
await page.goto(CONSOLE + chat + "/direct");
await shot("direct");
done("had a bot speak at once");

await page.goto(CONSOLE + chat + "/direct");
const before_sending = card("Order, style, approval").getByLabel("Before a text is sent");
await before_sending.selectOption({ label: "Somebody approves each" });
await press(card("Order, style, approval").getByRole("button", { name: "Save" }));
await page.goto(CONSOLE + "/approve");
const draft = page.locator("section.card[id^=held-]").first();
await draft.waitFor();
const held = await draft.getAttribute("id"); // more may come
const mine = page.locator("#" + held);
await shot("approve");
const edited = "The harbour master keeps our books now.";
const drafted = await mine.locator("p.message").first().innerText();
const turn = await mine.getByRole("link", { name: /^turn \d+$/ }).getAttribute("href");
await mine.getByText("Edit and send").press("Enter");
await mine.getByLabel("What is sent instead").fill(edited);
await press(mine.getByRole("button", { name: "Send this" }));
await page.goto(CONSOLE + chat);
await page.locator("#lines > li", { hasText: edited }).first().waitFor();
await page.goto(CONSOLE + turn);
const decided = page.locator("#decisions");
await decided.getByText("Edited and sent by anna in the console").waitFor();
must((await decided.locator("p.message").allInnerTexts()).includes(drafted), "the turn does not tell what the draft was");
await shot("approved");
await page.goto(CONSOLE + chat + "/direct");
await before_sending.selectOption({ label: "Nobody looks at it" });
await press(card("Order, style, approval").getByRole("button", { name: "Save" }));
done("approved an edited draft");

// Whoever runs this lets texts die for a while.
const died = page.locator("tbody a");
for (;;) {
  await page.goto(CONSOLE + "/turns");
  await page.getByLabel("Outcome").selectOption({ label: "dead" });
  await page.getByRole("button", { name: "Show", exact: true }).press("Enter");
  await page.waitForURL(/outcome=dead/);
  if (await died.count() > 0) break;
}
const dead = await died.first().getAttribute("href");
await shot("dead");
await page.getByRole("link", { name: "Replay all that match…" }).press("Enter");
const number = page.getByLabel("Type the number of turns to go on");
await number.fill(await page.locator("p > b").first().innerText());
await press(page.getByRole("button", { name: "Replay them" }));
await page.goto(CONSOLE + dead);
await page.locator("#turn p.facts span", { hasText: "delivered" }).first().waitFor(); // the page is told of it
done("replayed a dead letter");

const mute = card("Mute or pause");
await page.goto(CONSOLE + chat + "/direct");
await mute.getByLabel("Who").selectOption({ label: "Mia" });
await mute.getByLabel("For how long").selectOption({ label: "15 minutes" });
await press(mute.getByRole("button", { name: "Pause", exact: true }));
await page.getByRole("status").waitFor();
await page.goto(CONSOLE + chat + "/direct");
const muted = page.getByRole("row").filter({ has: page.getByRole("button", { name: "Resume" }) });
must(await muted.count() === 1 && /mia/i.test(await muted.innerText()), "the bot is not muted");
await press(muted.getByRole("button", { name: "Resume" }));
await page.getByRole("status").waitFor();
await page.goto(CONSOLE + chat + "/direct");
must(await muted.count() === 0, "the bot is muted still");
done("muted a bot and let it speak again");

await page.goto(CONSOLE + "/cast/bots/mia");
const summary = page.locator("textarea[name$=summary]").first();
const was = await summary.inputValue();
await summary.fill(was + " She keeps bees.");
await press(page.getByRole("button", { name: "Show what changes" }));
await page.locator("ins", { hasText: "bees" }).first().waitFor();
await shot("diff");
await press(page.getByRole("button", { name: "Apply", exact: true }));
await page.goto(CONSOLE + "/cast/bots/mia");
must((await summary.inputValue()).endsWith("She keeps bees."), "the change was not applied");
await page.goto(CONSOLE + "/cast/history");
await page.locator("tbody a").nth(1).click(); // the version before
await press(page.getByRole("button", { name: "Go back to this version" }));
await press(page.getByRole("button", { name: /^Apply/ }));
await page.goto(CONSOLE + "/cast/bots/mia");
must((await summary.inputValue()) === was, "the change was not undone");
done("edited a persona and took it back");

await page.setViewportSize({ width: 390, height: 800 }); // on a phone
await page.goto(CONSOLE + "/operate/settings");
const settings = page.locator("section.setting:visible"), all = await settings.count();
const filter = page.getByLabel("Filter by name");
await filter.focus();
await page.keyboard.type("Answers per hour");
must(await settings.count() === 2, `${await settings.count()} settings have answers per hour in their names`);
must(await page.getByText(`2 of ${all}`).isVisible(), "the filter does not say how many are left");
must(!(await page.getByRole("heading", { name: "Approval" }).isVisible()), "a group of which nothing is left is shown");
await page.keyboard.press("Escape");
must(await settings.count() === all && await filter.inputValue() === "", "Escape does not show all settings again");
await page.getByRole("navigation", { name: "Settings" }).getByRole("link", { name: "What is kept" }).press("Enter");
await page.waitForFunction(() => document.getElementById("about-what-is-kept").getBoundingClientRect().top < innerHeight);
await page.setViewportSize({ width: 1280, height: 900 });
done("found settings");

await page.goto(CONSOLE + "/people?who=" + PERSON);
await page.getByText("ferry").first().waitFor();
await shot("person");
await page.getByLabel("To confirm, type the Telegram id").fill(PERSON);
await press(page.getByRole("button", { name: "Erase" }));
await page.getByRole("status").waitFor();
await page.goto(CONSOLE + "/people?who=" + PERSON);
must(!(await page.locator("main").innerText()).includes("ferry"), "what a person said is still there");
done("erased a person");

const pages = await crawl(page, CONSOLE, (path) => shot(path.slice(1).replaceAll("/", "-") || "overview"));
must(pages >= 20, `only ${pages} pages were seen`);
await logOut();
await check(page, "/login");
done("saw the other pages");

await browser.close();
