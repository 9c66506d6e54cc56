// Where the reader writes.

import { quote } from "./bubble.js";
import { find } from "./dom.js";

const form = find("composer");
const text = find("text");
const send = find("send");
const answering = find("answering");
const answeringTo = find("answering-to");
const problem = find("composer-error");

export class Composer {
  #drafts = new Map(); // what isn't sent yet, by chat
  #chat = null;
  #reply = null;
  #sending = false;

  /** on.send(chat, text, replyTo) sends, or throws why not; on.up() leaves upwards. */
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

  async #send() {
    const chat = this.#chat;
    const words = text.value;
    if (this.#sending || words.trim() === "") return;
    this.#busy(true);
    this.complain("");
    try {
      const sent = await this.on.send(chat, words, this.#reply?.id ?? 0);
      if (sent && this.#chat === chat) {
        if (text.value === words) text.value = "";
        this.reply(null);
      } else if (sent) this.#drafts.delete(chat);
    } catch (error) {
      if (this.#chat === chat) this.complain(error.message);
    }
    this.#busy(false);
    this.#fit();
    this.focus();
  }

  #busy(sending) {
    this.#sending = sending;
    send.disabled = sending;
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
    text.style.height = `${text.scrollHeight}px`;
    form.classList.toggle("empty", text.value.trim() === "");
  }
}
