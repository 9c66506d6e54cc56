// Making elements. Text only ever becomes text: nothing here reads HTML.

/** find returns the element with an id, which the page always has. */
export const find = (id) => document.getElementById(id);

/** make returns an element with properties and children; null children are left out. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (key.includes("-") || key === "role") element.setAttribute(key, value);
    else element[key] = value;
  }
  element.append(...children.flat().filter((child) => child != null && child !== ""));
  return element;
}

const colours = 8; // as many as the style sheet has
const chosen = new Map(); // colour by id, where another one was taken

// Ids that follow each other get different colours.
const favourite = (id) => Array.from(String(id)).reduce((sum, digit) => (sum * 31 + digit.charCodeAt(0)) % 1009, 7) % colours;

/** colour is the class that always goes with an id. */
export const colour = (id) => `colour-${chosen.get(id) ?? favourite(id)}`;

/**
 * tellApart gives the members of a chat different colours as far as there are
 * enough. It depends on the members only; a cast keeps its colours whoever joins.
 */
export function tellApart(members) {
  const taken = new Set();
  const inOrder = [...members].sort((a, b) => Boolean(b.bot) - Boolean(a.bot) || a.id - b.id);
  for (const { id } of inOrder) {
    let mine = favourite(id);
    while (taken.has(mine) && taken.size < colours) mine = (mine + 1) % colours;
    taken.add(mine);
    chosen.set(id, mine);
  }
}

/** avatar is a coloured disc with initials, which assistive technology skips. */
export function avatar(id, name) {
  const words = name.match(/[\p{L}\p{N}]+/gu) ?? [name];
  const initials = [words[0], words.length > 1 ? words.at(-1) : ""].map((word) => Array.from(word)[0] ?? "").join("");
  return make("span", { className: `avatar ${colour(id)}`, "aria-hidden": "true" }, initials.toUpperCase());
}

/** botLabel marks a bot as one, wherever its name stands. */
export const botLabel = (member) => (member.bot ? make("span", { className: "bot" }, "bot") : null);

/** nameOf is a member's name in its colour. */
export const nameOf = (member) => make("span", { className: `name ${colour(member.id)}` }, member.name);

// Telegram writes its reactions without the selector that asks for a coloured
// picture, so these would come out as plain black signs.
const plainSigns = /[\u2603\u2640\u2642\u26A1\u270D\u2764\u{1F54A}]/gu;

/** picture is how an emoji of Telegram's is shown. */
export const picture = (emoji) => emoji.replace(plainSigns, "$&\uFE0F");

/** several is a count with the right form of a word. */
export const several = (count, one, many) => `${count} ${count === 1 ? one : many}`;
