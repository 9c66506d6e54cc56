// The list of chats, the busiest moment first.

import { avatar, find, make, several } from "./dom.js";
import { line } from "./bubble.js";
import { brief } from "./when.js";

const list = find("room-list");
const note = find("room-note");

/** Rooms holds what is known of the chats. Those of others with bots are not shown. */
export class Rooms {
  #rooms = new Map();
  #open = null;
  #typing;
  #me;

  /** typing(id) says who types in a chat, me() is the reader's name. */
  constructor(typing, me) {
    this.#typing = typing;
    this.#me = me;
  }

  get(id) {
    return this.#rooms.get(id)?.chat;
  }

  /** find returns a chat for which something is true. */
  find(is) {
    return [...this.#rooms.values()].find(({ chat }) => is(chat))?.chat;
  }

  /** latest is the id of the chat at the top. */
  get latest() {
    const first = list.querySelector("li:not([hidden])");
    return first ? Number(first.dataset.id) : null;
  }

  /** fill replaces everything by chats in the order of the list. */
  fill(chats, total, revision) {
    const unread = new Map([...this.#rooms].map(([id, room]) => [id, room.unread]));
    this.#rooms.clear();
    list.replaceChildren();
    for (const chat of chats) {
      const room = this.#add(chat, revision);
      room.unread = unread.get(chat.id) ?? 0;
      list.append(room.row);
      this.#render(room);
    }
    const hidden = total - chats.length;
    this.#note(hidden > 0 ? `${several(hidden, "quieter chat is", "quieter chats are")} not shown.` : "");
  }

  /** put adds a chat, or brings its profile up to date. */
  put(chat, revision) {
    const room = this.#rooms.get(chat.id) ?? this.#add(chat, revision);
    if (room.revision > revision) chat.last = room.chat.last;
    room.chat = chat;
    if (!room.row.isConnected) list.prepend(room.row);
    this.#note("");
    this.#render(room);
  }

  /** said shows a new last message and counts it where nobody sees it. */
  said(id, message, revision, seen) {
    const room = this.#rooms.get(id);
    if (!room) return;
    Object.assign(room, { revision, unread: seen ? 0 : room.unread + 1 });
    room.chat.last = message;
    this.#render(room);
    this.#raise(room.row);
  }

  changed(id, message, revision) {
    const room = this.#rooms.get(id);
    if (room?.chat.last?.id !== message.id) return;
    room.revision = revision;
    room.chat.last = message;
    this.#render(room);
  }

  /** open marks the chat that is open; null: none. */
  open(id) {
    const before = this.#rooms.get(this.#open);
    this.#open = id;
    const room = this.#rooms.get(id);
    if (room) room.unread = 0;
    for (const touched of [before, room]) if (touched) this.#render(touched);
  }

  /** redraw shows the chats of another reader. */
  redraw() {
    for (const room of this.#rooms.values()) this.#render(room);
  }

  /** refresh shows again what may have changed, such as who types. */
  refresh(id) {
    const room = this.#rooms.get(id);
    if (room) this.#render(room);
  }

  #add(chat, revision) {
    const room = { chat, revision, unread: 0, row: make("li", {}), link: make("a", { href: `#${chat.id}` }) };
    room.row.dataset.id = chat.id;
    room.row.append(room.link);
    this.#rooms.set(chat.id, room);
    return room;
  }

  // A link that moves must not lose the focus.
  #raise(row) {
    if (list.firstElementChild === row) return;
    const focused = row.contains(document.activeElement) ? document.activeElement : null;
    list.prepend(row);
    focused?.focus({ preventScroll: true });
  }

  #note(text) {
    note.textContent = text || (this.#rooms.size ? "" : "No chats yet. They appear here by themselves.");
    note.hidden = note.textContent === "";
  }

  #render({ chat, link, row, unread }) {
    const last = chat.last;
    row.hidden = Boolean(chat.person) && chat.person !== this.#me();
    const typing = this.#typing(chat.id);
    if (chat.id === this.#open) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
    link.replaceChildren(
      avatar(chat.id, chat.title),
      make("span", { className: "lines" },
        make("span", { className: "top" },
          make("span", { className: "title", dir: "auto" }, chat.title),
          last ? make("time", { dateTime: last.at }, brief(new Date(last.at))) : ""),
        make("span", { className: "top" },
          typing
            ? make("span", { className: "last typing" }, typing)
            : make("span", { className: "last" }, last ? line(last) : "No messages yet"),
          unread ? make("span", { className: "unread", "aria-label": several(unread, "new message", "new messages") }, unread > 999 ? "999+" : String(unread)) : "")));
  }
}
