// The messages of the open chat: loaded in pages upwards, kept up to date, and
// scrolled along only where the reader is at the end.

import { content, isMine, isToMe } from "./bubble.js";
import { find, make, several } from "./dom.js";
import { get, revision as revisionOf } from "./net.js";
import { day, sameDay } from "./when.js";

const scroll = find("scroll");
const list = find("messages");
const older = find("older");
const newest = find("newest");
const newestCount = find("newest-count");
const answers = find("answers");
const answersCount = find("answers-count");

const together = 5 * 60_000; // ms between messages that are shown as one block
const nearEnd = 80; // px
const most = 500; // messages that are kept while the reader is at the end
const fewer = 300;
const furthest = 20; // pages that are loaded to get to a message

export class Pane {
  #chat = null;
  #items = []; // by message id
  #byId = new Map();
  #gone = new Map(); // revision of the deletion by message id
  #more = false;
  #pinned = true;
  #fresh = 0;
  #unseen = new Set(); // ids of answers to the reader that came and were not in view yet
  #seen = 0; // id of the newest that was
  #loading = null;
  #failed = null; // the page that couldn't be loaded
  #me;
  #tools;

  /** me() is the reader's name; tools shows what can be done with a message. */
  constructor(me, tools) {
    this.#me = me;
    this.#tools = tools;
    scroll.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    newest.addEventListener("click", () => this.end("smooth"));
    answers.addEventListener("click", () => this.#toAnswer());
    document.addEventListener("visibilitychange", () => this.#look());
    new ResizeObserver(() => this.settle()).observe(scroll);
    this.top = new IntersectionObserver((seen) => seen.some((e) => e.isIntersecting) && this.#page(), { root: scroll, rootMargin: "400px" });
    this.top.observe(older);
  }

  item(id) {
    return this.#byId.get(id);
  }

  /** neighbour is the item so many places further; it stops at both ends. */
  neighbour(item, step) {
    const at = this.#items.indexOf(item) + step;
    return this.#items[Math.max(0, Math.min(at, this.#items.length - 1))];
  }

  get last() {
    return this.#items.at(-1);
  }

  /** open shows another chat; null: none. */
  async open(chat) {
    this.#chat = chat;
    this.#seen = 0;
    this.#clear();
    if (chat === null) return;
    await this.#load();
    this.end();
  }

  /** reload reads the chat anew and stays at the message that is in view. */
  async reload() {
    const anchor = this.#pinned ? null : this.#items.find(({ element }) => element.getBoundingClientRect().bottom > scroll.getBoundingClientRect().top);
    const at = anchor?.element.getBoundingClientRect().top;
    this.#clear();
    await this.#load();
    const again = anchor && (await this.reach(anchor.message.id));
    if (again) scroll.scrollTop += again.element.getBoundingClientRect().top - at;
    else this.end();
  }

  /** resume loads what couldn't be loaded while there was no connection. */
  resume() {
    if (this.#failed) this.#load(this.#failed.before);
  }

  /** said adds a new message. */
  said(message, revision) {
    if (!this.#put(message, revision)) return;
    if (isToMe(message, this.#me())) this.#unseen.add(message.id);
    if (!this.#pinned) this.#count(isMine(message.from, this.#me()) ? 0 : 1);
    if (this.#pinned && this.#items.length > most) this.#trim();
    this.settle();
  }

  /** changed shows a message as it is now, if it is loaded. */
  changed(message, revision) {
    if (!this.#byId.has(message.id)) return;
    this.#put(message, revision);
    this.settle();
  }

  deleted(id, revision) {
    this.#gone.set(id, revision);
    const item = this.#byId.get(id);
    if (!item) return;
    const at = this.#items.indexOf(item);
    this.#byId.delete(id);
    this.#items.splice(at, 1);
    this.#tools.leave(item);
    item.element.remove();
    this.#arrange(at);
    this.settle();
  }

  /** redraw shows every message again, as for another reader. */
  redraw() {
    this.#items.forEach((item) => this.#render(item));
    this.settle();
  }

  /** end goes to the newest message and stays there. */
  end(behavior = "instant") {
    this.#pinned = true;
    this.#count(0);
    scroll.scrollTo({ top: scroll.scrollHeight, behavior });
  }

  /** settle keeps a reader who is at the end there. */
  settle() {
    if (this.#pinned) scroll.scrollTop = scroll.scrollHeight;
    this.#look(); // may make room for its button
    if (this.#pinned) scroll.scrollTop = scroll.scrollHeight;
  }

  /** reach loads a message, however old, and returns its item; null: it is gone. */
  async reach(id) {
    for (let pages = 0; !this.#byId.has(id) && this.#more && pages < furthest; pages++) {
      if (this.#items.length && this.#items[0].message.id < id) break;
      if (!(await this.#page())) break;
    }
    return this.#byId.get(id) ?? null;
  }

  /** show goes to a message and makes it stand out for a moment. */
  async show(id) {
    const item = await this.reach(id);
    if (!item) return;
    this.#pinned = false;
    item.element.scrollIntoView({ block: "center", behavior: "smooth" });
    item.element.classList.remove("found");
    void item.element.offsetWidth; // begins the animation anew
    item.element.classList.add("found");
    item.element.focus({ preventScroll: true });
  }

  #clear() {
    this.#items = [];
    this.#byId.clear();
    this.#gone.clear();
    this.#more = false;
    this.#loading = null;
    this.#failed = null;
    this.#pinned = true;
    this.#unseen.clear();
    this.#count(0);
    this.#tools.leave();
    list.replaceChildren();
  }

  // #page loads the page before the first message, where there is one.
  #page() {
    return this.#more && this.#items.length ? this.#load(this.#items[0].message.id) : false;
  }

  // #load reads a page and tells whether there was one. One at a time is enough.
  #load(before) {
    if (this.#loading) return this.#loading;
    const loading = this.#read(before).finally(() => {
      if (this.#loading === loading) this.#loading = null; // not that of a chat opened since
    });
    return (this.#loading = loading);
  }

  async #read(before) {
    const chat = this.#chat;
    const items = this.#items;
    older.textContent = "Loading…";
    this.#failed = null;
    let page;
    try {
      page = await get(`page/chats/${chat}/messages${before ? `?before=${before}` : ""}`);
    } catch (error) {
      if (items === this.#items) {
        older.textContent = error.message;
        this.#failed = { before };
      }
      return false;
    }
    if (items !== this.#items) return false; // another chat is open by now
    this.#keepPlace(() => {
      list.ariaBusy = "true"; // old messages are no news
      page.messages.forEach((message) => this.#put(message, revisionOf(page.cursor)));
      list.ariaBusy = "false";
    });
    this.#more = page.more;
    this.#edge();
    return page.messages.length > 0;
  }

  #edge() {
    older.textContent = this.#more ? "Loading…" : this.#items.length ? "" : "Nobody has said anything yet.";
    this.top.unobserve(older); // to be told again if it is in view still
    this.top.observe(older);
  }

  #keepPlace(change) {
    const first = this.#items[0]?.element;
    const before = first?.getBoundingClientRect().top;
    change();
    if (first && !this.#pinned) scroll.scrollTop += first.getBoundingClientRect().top - before;
    this.settle();
  }

  // #put adds or renews a message, unless something newer is known of it.
  #put(message, revision) {
    const known = this.#byId.get(message.id);
    if ((known?.revision ?? this.#gone.get(message.id) ?? 0) > revision) return null;
    if (known) {
      Object.assign(known, { message, revision });
      this.#render(known);
      return null;
    }
    const item = { message, revision, element: make("li", { className: "message", tabIndex: -1 }) };
    item.element.dataset.id = message.id;
    const at = this.#items.findLastIndex((other) => other.message.id < message.id) + 1;
    this.#items.splice(at, 0, item);
    this.#byId.set(message.id, item);
    list.insertBefore(item.element, this.#items[at + 1]?.element ?? null);
    this.#render(item);
    this.#arrange(at);
    this.#arrange(at + 1);
    if (older.textContent && !this.#more) older.textContent = "";
    return item;
  }

  #render(item) {
    const me = this.#me();
    const focused = item.element.contains(document.activeElement) ? document.activeElement : null;
    item.element.classList.toggle("mine", isMine(item.message.from, me) && !item.message.service);
    item.element.classList.toggle("to-me", isToMe(item.message, me));
    item.element.replaceChildren(make("div", { className: "row" }, content(item.message, me)));
    this.#tools.rendered(item);
    if (!focused || focused === item.element) return;
    const same = focused.isConnected ? focused : item.element.querySelector(`.chip[value="${CSS.escape(focused.value ?? "")}"]`);
    (same ?? item.element).focus({ preventScroll: true });
  }

  // #arrange sets what depends on the message before: the day and the block.
  #arrange(at) {
    const item = this.#items[at];
    if (!item) return;
    const { message, element } = item;
    const before = this.#items[at - 1]?.message;
    const date = new Date(message.at);
    const past = before && new Date(before.at);
    const newDay = !before || !sameDay(past, date);
    element.classList.toggle("follows", !newDay && !message.service && !before.service && before.from.id === message.from.id && date - past < together);
    if (newDay) element.dataset.day = day(date);
    else delete element.dataset.day;
  }

  #trim() {
    for (const item of this.#items.splice(0, this.#items.length - fewer)) {
      this.#byId.delete(item.message.id);
      this.#tools.leave(item);
      item.element.remove();
    }
    this.#more = true;
    this.#arrange(0);
    this.#edge();
  }

  #scrolled() {
    this.#pinned = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < nearEnd;
    this.#count(this.#pinned ? 0 : this.#fresh, true);
    this.#look();
  }

  // #look takes the answers that are in view as seen, and offers the others.
  #look() {
    const view = scroll.getBoundingClientRect();
    for (const { element, message } of document.visibilityState === "visible" ? this.#answers() : []) {
      const at = element.getBoundingClientRect();
      if (at.bottom > view.top && at.top < view.bottom) this.#see(message.id);
    }
    answers.hidden = this.#answers().length === 0;
    scroll.classList.toggle("beside", !answers.hidden);
    answersCount.textContent = this.#unseen.size ? several(this.#unseen.size, "answer to you", "answers to you") : "Answers to you";
    answers.classList.toggle("fresh", this.#unseen.size > 0);
  }

  // #answers are those to the reader that came and were not in view, and of those that
  // were there before whatever is newer than what was.
  #answers() {
    const open = ({ id }) => id > this.#seen || this.#unseen.has(id);
    return this.#items.filter(({ element, message }) => element.classList.contains("to-me") && open(message));
  }

  #see(id) {
    this.#seen = Math.max(this.#seen, id);
    this.#unseen.delete(id);
  }

  // #toAnswer goes to the oldest answer that came meanwhile, else to the newest.
  #toAnswer() {
    const all = this.#answers();
    const next = all.find(({ message }) => this.#unseen.has(message.id)) ?? all.at(-1);
    if (!next) return;
    this.#see(next.message.id);
    this.show(next.message.id);
  }

  #count(add, exactly = add === 0) {
    this.#fresh = exactly ? add : this.#fresh + add;
    newest.hidden = this.#pinned;
    newestCount.textContent = this.#fresh ? several(this.#fresh, "new message", "new messages") : "";
  }
}
