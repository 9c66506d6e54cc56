// The page as a whole: what happens is shown, and what the reader does is sent.

import { Composer } from "./composer.js";
import { avatar, botLabel, find, make, nameOf, several, tellApart } from "./dom.js";
import { isMine } from "./bubble.js";
import { follow, get, post, revision } from "./net.js";
import { Pane } from "./pane.js";
import { Person } from "./person.js";
import { Rooms } from "./rooms.js";
import { Tools } from "./tools.js";
import { Typing } from "./typing.js";

const list = find("messages");
const wide = matchMedia("(min-width: 720px)");
const pointer = matchMedia("(hover: hover)");
const patience = 900; // ms without a connection before the page says so

let open = null; // the open chat's id
let trouble; // the timer that says that there is no connection
const stale = new Map(); // timers of chats whose profile is to be read again

const person = new Person(() => {
  rooms.redraw();
  showHead();
  pane.redraw();
});
const typing = new Typing((chat) => {
  rooms.refresh(chat);
  if (chat === open) showTyping();
});
const rooms = new Rooms((chat) => typing.text(chat), () => person.name);
const tools = new Tools({
  item: (element) => element && pane.item(Number(element.dataset.id)),
  reply: (message) => (composer.reply(message), composer.focus()),
  react,
  press,
  quote: (id) => pane.show(id),
  writable: () => !rooms.get(open)?.moved_to,
  reactions: () => rooms.get(open)?.reactions ?? [],
});
const pane = new Pane(() => person.name, tools);
const composer = new Composer({ send: say, up: () => pane.last?.element.focus() });

async function say(chat, text, replyTo) {
  const name = await person.need();
  if (!name) return false;
  await post(`_emulator/chats/${chat}/messages`, { name, text, reply_to: replyTo });
  if (chat === open) pane.end();
  return true;
}

async function react(message, emoji) {
  const chat = open;
  const name = await person.need();
  if (!name) return;
  const mine = message.reactions?.find((reaction) => reaction.by.some((member) => isMine(member, name)));
  try {
    await post(`_emulator/chats/${chat}/reactions`, { name, message_id: message.id, emoji: mine?.emoji === emoji ? "" : emoji });
    composer.complain("");
  } catch (error) {
    composer.complain(error.message);
  }
}

async function press(message, data) {
  const chat = open;
  const name = await person.need();
  if (!name) return;
  try {
    await post(`_emulator/chats/${chat}/presses`, { name, message_id: message.id, data });
    composer.complain("");
  } catch (error) {
    composer.complain(error.message);
  }
}

// setAdmin makes the reader an administrator, or not.
async function setAdmin(admin) {
  const chat = open;
  find("members").close();
  const name = await person.need();
  if (!name) return;
  try {
    await post(`_emulator/chats/${chat}/members`, { who: name, role: admin ? "administrator" : "member" });
    composer.complain("");
  } catch (error) {
    composer.complain(error.message);
  }
}

// startBot opens the reader's private chat with a bot, or lets a blocked one write again.
async function startBot(bot) {
  find("members").close();
  const name = await person.need();
  if (!name) return;
  const known = rooms.find((chat) => chat.person === name && !chat.blocked && chat.members.some((member) => member.id === bot.id));
  try {
    location.hash = `#${(known ?? (await post("_emulator/starts", { name, bot: bot.username }))).id}`;
    composer.complain("");
  } catch (error) {
    composer.complain(error.message);
  }
}

async function block(bot) {
  find("members").close();
  try {
    await post(`_emulator/chats/${open}/members`, { who: bot.username, role: "kicked" });
    composer.complain("");
  } catch (error) {
    composer.complain(error.message);
  }
}

// What happened.
const news = {
  message({ chat, message }, at) {
    typing.stop(chat, message.from.id);
    if (!rooms.get(chat)) refresh(chat);
    rooms.said(chat, message, at, chat === open);
    if (chat === open) pane.said(message, at);
  },
  change({ chat, message }, at) {
    rooms.changed(chat, message, at);
    if (chat === open) pane.changed(message, at);
  },
  delete({ chat, message_id: id }, at) {
    if (rooms.get(chat)?.last?.id === id) refresh(chat);
    if (chat === open) pane.deleted(id, at);
  },
  typing({ chat, member }) {
    typing.start(chat, member);
  },
  chat({ chat }) {
    refresh(chat);
  },
  async reset() {
    await insist(fill);
    if (rooms.get(open)) pane.reload();
    else route();
  },
};

// refresh reads a chat's profile soon; many changes at once cost one question.
function refresh(id) {
  if (stale.has(id)) return;
  stale.set(id, setTimeout(async () => {
    stale.delete(id);
    try {
      const { chat, cursor } = await get(`page/chats/${id}`);
      rooms.put(chat, revision(cursor));
      if (open === id) showHead();
      else if (open === null) route();
    } catch {
      // The chat is gone, or the connection; then everything is read again.
    }
  }, 150));
}

async function fill() {
  const { chats, total, cursor } = await get("page/chats");
  rooms.fill(chats, total, revision(cursor));
  return cursor;
}

// route opens the chat that the address names. A wide window has room for one
// beside the list, so it takes the busiest; a narrow one shows either.
async function route() {
  if (!location.hash.slice(1) && wide.matches && rooms.latest) history.replaceState(null, "", `#${rooms.latest}`);
  const wanted = Number(location.hash.slice(1)) || null;
  document.body.classList.toggle("in-chat", wanted !== null);
  if (wanted === open && wanted !== null) return;
  if (wanted && !rooms.get(wanted)) await lookUp(wanted);
  open = rooms.get(wanted) ? wanted : null;
  find("pane-head").hidden = find("foot").hidden = find("scroll").hidden = open === null;
  const empty = find("pane-empty");
  empty.hidden = open !== null;
  empty.textContent = wanted ? "There is no such chat." : "Choose a chat to watch it.";
  rooms.open(open);
  composer.open(open);
  showHead();
  showTyping();
  if (open !== null && pointer.matches && wide.matches) composer.focus();
  await pane.open(open);
}

async function lookUp(id) {
  try {
    const { chat, cursor } = await get(`page/chats/${id}`);
    rooms.put(chat, revision(cursor));
  } catch {
    // The pane says that there is none.
  }
}

const isAdmin = (chat) => chat.members.some((member) => member.admin && isMine(member, person.name));

function counted(chat) {
  const bots = chat.members.filter((member) => member.bot).length;
  const people = chat.members.length - bots;
  return [several(bots, "bot", "bots"), people ? several(people, "person", "people") : null].filter(Boolean).join(", ");
}

function showHead() {
  const chat = rooms.get(open);
  document.title = chat ? `${chat.title} · ${find("rooms").querySelector("h1").textContent}` : find("rooms").querySelector("h1").textContent;
  showMe();
  if (!chat) return;
  tellApart(chat.members);
  find("pane-avatar").replaceChildren(avatar(chat.id, chat.title));
  find("pane-title").textContent = chat.title;
  const strange = chat.person && chat.person !== person.name;
  find("composer").hidden = Boolean(chat.moved_to || chat.blocked || strange);
  const moved = find("moved");
  moved.hidden = !find("composer").hidden;
  if (strange) moved.replaceChildren(`This is a private chat of ${chat.person}.`);
  else if (chat.blocked) moved.replaceChildren("You have blocked this bot.");
  else moved.replaceChildren("This group was upgraded. ", make("a", { href: `#${chat.moved_to}` }, "Go on in the new one"));
  showTyping();
}

function showTyping() {
  const chat = rooms.get(open);
  if (!chat) return;
  const now = typing.members(open);
  const state = find("pane-state");
  state.textContent = typing.text(open) || [chat.note, counted(chat)].filter(Boolean).join(" · ");
  state.classList.toggle("typing", now.length > 0);
  const row = find("typing");
  row.hidden = now.length === 0;
  row.replaceChildren(
    ...now.slice(0, 3).map((member) => avatar(member.id, member.name)),
    make("span", { className: "dots", title: typing.text(open) }, make("i"), make("i"), make("i")));
  pane.settle();
}

function showMe() {
  const chat = rooms.get(open);
  find("me").textContent = person.name ? person.name + (chat && isAdmin(chat) ? " (admin)" : "") : "Join in";
  find("me").setAttribute("aria-label", person.name ? `You are ${person.name}. Change the name` : "Choose a name to join in");
}

function botButtons(chat, bot) {
  const button = (text, act, label) => {
    const made = make("button", { type: "button", className: "quiet", "aria-label": `${label} ${bot.name}` }, text);
    made.addEventListener("click", act);
    return made;
  };
  const start = (text) => button(text, () => startBot(bot), text);
  if (chat.person) return [chat.blocked ? start("Start again") : button("Block", () => block(bot), "Block")];
  const mention = button("Mention", () => {
    find("members").close();
    composer.insert(`@${bot.username}`);
  }, "Mention");
  return [start("Start"), chat.moved_to ? null : mention];
}

function showMembers() {
  const chat = rooms.get(open);
  find("members-title").textContent = chat.title;
  find("members-note").textContent = [chat.note, counted(chat)].filter(Boolean).join(" · ");
  find("members-list").replaceChildren(...chat.members.map((member) =>
    make("li", {},
      avatar(member.id, member.name),
      make("span", { className: "lines" },
        make("span", {}, nameOf(member), botLabel(member), isMine(member, person.name) ? " (you)" : null,
          member.admin ? make("span", { className: "admin" }, "administrator") : null),
        member.username ? make("span", { className: "username" }, `@${member.username}`) : null),
      ...(member.bot && member.username ? botButtons(chat, member) : []))));
  const admin = isAdmin(chat);
  find("members-explained").hidden = find("members-admin").hidden = Boolean(chat.moved_to || chat.person);
  find("members-admin").textContent = admin ? "Be an ordinary member" : "Become an administrator";
  find("members-admin").value = admin ? "" : "admin";
  find("members").showModal();
}

function connected(yes) {
  const bar = find("connection");
  clearTimeout(trouble);
  if (yes) {
    bar.hidden = true;
    pane.resume();
  } else if (bar.hidden) {
    trouble = setTimeout(() => {
      bar.textContent = "Not connected. Trying again…";
      bar.hidden = false;
    }, patience);
  }
}

// moves are the keys that go from one message to another.
const moves = { ArrowUp: -1, ArrowDown: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity };

list.addEventListener("keydown", (event) => {
  const item = pane.item(Number(document.activeElement.dataset.id));
  if (event.key === "Escape") return composer.focus();
  if (!item || event.ctrlKey || event.metaKey || event.altKey) return;
  const step = moves[event.key];
  if (step === undefined) return;
  event.preventDefault();
  if (item === pane.last && step > 0) return composer.focus();
  const next = pane.neighbour(item, step).element;
  next.focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
});

find("me").addEventListener("click", () => person.choose());
find("about").addEventListener("click", showMembers);
find("members-admin").addEventListener("click", (event) => setAdmin(event.currentTarget.value === "admin"));
find("members-close").addEventListener("click", () => find("members").close());
addEventListener("hashchange", route);
wide.addEventListener("change", route);

// insist tries something again until the server answers.
async function insist(ask) {
  for (let wait = 500; ; wait = Math.min(wait * 2, 5_000)) {
    try {
      const answer = await ask();
      connected(true);
      return answer;
    } catch {
      connected(false);
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
}

async function start() {
  showMe();
  const cursor = await insist(fill);
  follow(cursor, { event: (kind, data, at) => news[kind](data, at), connected });
  await route();
}

start();
