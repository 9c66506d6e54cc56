// Who is about to write, where.

const shown = 6_000; // ms; a client that goes on typing says so every five seconds

/** Typing forgets by itself who has stopped. changed(chat) is called each time. */
export class Typing {
  #chats = new Map();
  #changed;

  constructor(changed) {
    this.#changed = changed;
  }

  start(chat, member) {
    const members = this.#chats.get(chat) ?? new Map();
    this.#chats.set(chat, members);
    clearTimeout(members.get(member.id)?.timer);
    members.set(member.id, { member, timer: setTimeout(() => this.stop(chat, member.id), shown) });
    this.#changed(chat);
  }

  stop(chat, id) {
    const members = this.#chats.get(chat);
    if (!members?.has(id)) return;
    clearTimeout(members.get(id).timer);
    members.delete(id);
    this.#changed(chat);
  }

  members(chat) {
    return [...(this.#chats.get(chat)?.values() ?? [])].map(({ member }) => member);
  }

  /** text says it in words; empty: nobody. */
  text(chat) {
    const names = this.members(chat).map((member) => member.name);
    if (names.length === 0) return "";
    if (names.length === 1) return `${names[0]} is typing…`;
    if (names.length === 2) return `${names[0]} and ${names[1]} are typing…`;
    return `${names.length} are typing…`;
  }
}
