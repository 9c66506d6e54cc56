// What one can do with a message: reply and react. One set of buttons goes to
// whichever message has the pointer or the focus.

import { find, make, picture } from "./dom.js";

const list = find("messages");
const bar = find("tools");
const picker = find("picker");
const replyButton = find("tool-reply");
const reactButton = find("tool-react");

export class Tools {
  #item = null;
  #picking = null;

  /**
   * on.item(element) finds a message's item, on.reply(message),
   * on.react(message, emoji), on.press(message, data), on.quote(id) and
   * on.writable() do what their names say, on.reactions() are the emoji that the chat allows.
   */
  constructor(on) {
    this.on = on;
    const offer = (event) => this.#offer(event.target.closest?.("li.message"));
    list.addEventListener("pointerover", (event) => event.pointerType !== "touch" && offer(event));
    list.addEventListener("focusin", offer);
    list.addEventListener("click", (event) => {
      const item = this.on.item(event.target.closest("li.message"));
      if (!item) return;
      const chip = event.target.closest(".chip");
      const press = event.target.closest("button.press");
      if (press) this.on.press(item.message, press.value);
      else if (chip) this.on.react(item.message, chip.ariaPressed === "true" ? "" : chip.value);
      else if (event.target.closest(".quote")) this.on.quote(item.message.reply_to.id);
      else if (!event.target.closest("a, button")) offer(event); // a tap
    });
    // A finger "leaves" before its tap is a click.
    list.addEventListener("pointerleave", ({ pointerType }) => {
      if (pointerType !== "touch" && !bar.contains(document.activeElement) && !picker.matches(":popover-open")) this.leave();
    });
    replyButton.addEventListener("click", () => {
      const { message } = this.#item;
      this.leave();
      this.on.reply(message);
    });
    reactButton.addEventListener("click", () => this.#pick(this.#item));
    picker.addEventListener("click", (event) => {
      const chosen = event.target.closest("button");
      if (!chosen) return;
      picker.hidePopover();
      this.on.react(this.#picking.message, chosen.value);
    });
    picker.addEventListener("keydown", (event) => this.#walk(event));
  }

  /** leave takes the buttons away: from one message, or from any. */
  leave(item = this.#item) {
    if (item !== this.#item) return;
    this.#item = null;
    bar.hidden = true;
    document.body.append(bar);
  }

  /** rendered puts the buttons back into a message that was drawn anew. */
  rendered(item) {
    if (item === this.#item) item.element.querySelector(".bubble")?.append(bar);
  }

  #offer(element) {
    const item = this.on.item(element);
    if (!item || item === this.#item || item.message.service || !this.on.writable()) return;
    this.#item = item;
    bar.hidden = false;
    reactButton.hidden = this.on.reactions().length === 0;
    this.rendered(item);
  }

  #pick(item) {
    this.#picking = item;
    picker.replaceChildren(...this.on.reactions().map((emoji) =>
      make("button", { type: "button", value: emoji, "aria-label": `React with ${picture(emoji)}` }, picture(emoji))));
    picker.showPopover();
    const at = reactButton.getBoundingClientRect();
    const size = picker.getBoundingClientRect();
    const room = 8; // px to the window's edge
    const left = Math.min(at.left, innerWidth - size.width - room);
    const above = at.top - size.height - room;
    picker.style.left = `${Math.max(room, left)}px`;
    picker.style.top = `${above > room ? above : Math.min(at.bottom + room, innerHeight - size.height - room)}px`;
    picker.firstElementChild?.focus();
  }

  // #walk moves through the emoji with the arrow keys.
  #walk(event) {
    const buttons = [...picker.children];
    const at = buttons.indexOf(document.activeElement);
    const perLine = buttons.filter((button) => button.offsetTop === buttons[0].offsetTop).length;
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -perLine, ArrowDown: perLine }[event.key];
    if (step === undefined || at < 0) return;
    event.preventDefault();
    buttons[at + step]?.focus();
  }
}
