// The name under which the reader writes, chosen once.

import { find } from "./dom.js";

const key = "chorus.name";
const dialog = find("person");
const input = find("person-name");
const problem = find("person-error");

/** Person knows the reader's name. changed() is called when it is another one. */
export class Person {
  #name = "";
  #answer = null;
  #changed;

  constructor(changed) {
    this.#changed = changed;
    try {
      this.#name = localStorage.getItem(key) ?? "";
    } catch {
      // A browser that keeps nothing asks again each time.
    }
    dialog.querySelector("form").addEventListener("submit", (event) => this.#submit(event));
    dialog.addEventListener("close", () => {
      this.#answer?.(this.#name);
      this.#answer = null;
    });
    find("person-cancel").addEventListener("click", () => dialog.close());
  }

  get name() {
    return this.#name;
  }

  /** choose asks for a name, and returns it; "" if there is none still. */
  choose(reason = "") {
    input.value = this.#name;
    this.#complain(reason);
    dialog.showModal();
    input.select();
    return new Promise((resolve) => (this.#answer = resolve));
  }

  /** need returns the name, and asks for it if there is none. */
  async need() {
    return this.#name || this.choose();
  }

  #submit(event) {
    event.preventDefault();
    const name = input.value.trim().replace(/\s+/g, " ");
    if (name === "" || name.startsWith("@")) return this.#complain("A name has at least one letter and doesn't begin with @.");
    this.#name = name;
    try {
      localStorage.setItem(key, name);
    } catch {
      // It lasts as long as the page, then.
    }
    dialog.close();
    this.#changed();
  }

  #complain(reason) {
    problem.textContent = reason;
    problem.hidden = reason === "";
  }
}
