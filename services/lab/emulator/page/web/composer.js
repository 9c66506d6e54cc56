// Where the reader writes.

import { quote } from "./bubble.js";
import { find } from "./dom.js";

const form = find("composer");
const text = find("text");
const answering = find("answering");
const answeringTo = find("answering-to");
const problem = find("composer-error");

export class Composer {
  #drafts = new Map(); // what isn't sent yet, by chat
  #chat = null;
  #reply = null;
  #sent = Promise.resolve(); // when all that was sent has arrived

  /** on.send(chat, text, replyTo) sends and tells whether it did, or throws why not; on.up() leaves upwards. */
  constructor(on) {
    this.on = on;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    text.addEventListener("input", () => this.#fit());
    text.addEventListener("keydown", (event) => this.#key(event));
    find("answering-end").addEventListener("click", () => {
      this.reply(null);
      this.focus();
    });
  }

  /** open changes to another chat and keeps what was written for this one. */
  open(chat) {
    this.#drafts.set(this.#chat, { text: text.value, reply: this.#reply });
    this.#chat = chat;
    const draft = this.#drafts.get(chat);
    text.value = draft?.text ?? "";
    this.reply(draft?.reply ?? null);
    this.complain("");
    this.#fit();
  }

  /** reply makes the text an answer to a message; null: to none. */
  reply(message) {
    this.#reply = message;
    answering.hidden = message === null;
    answeringTo.replaceChildren(...(message ? [quote({ from: message.from, text: message.text }, "div")] : []));
  }

  /** insert adds a word to the text. */
  insert(word) {
    text.value = `${text.value.trimEnd()} ${word} `.trimStart();
    this.#fit();
    this.focus();
  }

  focus() {
    text.focus();
  }

  complain(reason) {
    problem.textContent = reason;
    problem.hidden = reason === "";
  }

  // The field is free at once, for whoever types on. Texts go out one after the
  // other, in the order they were written.
  #send() {
    const draft = { chat: this.#chat, words: text.value, reply: this.#reply };
    if (draft.words.trim() === "") return;
    text.value = "";
    this.reply(null);
    this.complain("");
    this.#fit();
    this.focus();
    this.#sent = this.#sent.then(() => this.#deliver(draft));
  }

  async #deliver({ chat, words, reply }) {
    try {
      if (!(await this.on.send(chat, words, reply?.id ?? 0))) this.#giveBack(chat, words, reply, "");
    } catch (error) {
      this.#giveBack(chat, words, reply, error.message);
    }
  }

  // #giveBack puts a text that was not sent before what was written since.
  #giveBack(chat, words, reply, reason) {
    if (this.#chat !== chat) {
      const later = this.#drafts.get(chat);
      this.#drafts.set(chat, { text: joined(words, later?.text ?? ""), reply: later?.reply ?? reply });
      return;
    }
    text.value = joined(words, text.value);
    if (this.#reply === null) this.reply(reply);
    this.complain(reason);
    this.#fit();
  }

  #key(event) {
    // While a word is being composed, Enter belongs to the input method.
    if (event.isComposing) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      this.#send();
    } else if (event.key === "Escape" && this.#reply) this.reply(null);
    else if (event.key === "ArrowUp" && text.value === "") {
      event.preventDefault();
      this.on.up();
    }
  }

  // #fit makes the field as high as its text; the style sheet sets the limit.
  #fit() {
    text.style.height = "auto";
    // The height includes the border, which scrollHeight does not.
    text.style.height = `${text.scrollHeight + text.offsetHeight - text.clientHeight}px`;
    form.classList.toggle("empty", text.value.trim() === "");
  }
}

// joined is two texts in one, each in a paragraph of its own.
function joined(first, second) {
  return second.trim() === "" ? first : `${first}\n${second}`;
}
