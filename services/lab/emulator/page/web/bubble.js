// One message as people see it.

import { avatar, botLabel, colour, make, nameOf, picture } from "./dom.js";
import { address, rich } from "./rich.js";
import { moment, time } from "./when.js";

const shownNames = 5;

/** isToMe tells whether a message answers or mentions the person called me. */
export function isToMe(message, me) {
  if (!me || message.service || isMine(message.from, me)) return false;
  if (message.reply_to && isMine(message.reply_to.from, me)) return true;
  const username = `@${me.toLowerCase().replaceAll(" ", "_")}`;
  return (message.entities ?? []).some(({ type, offset, length }) =>
    type === "mention" && message.text.slice(offset, offset + length).toLowerCase() === username);
}

/** isMine tells whether a member is the person who looks at the page. */
export const isMine = (member, me) => !member.bot && member.name === me;

/** quote is the beginning of the message that another one answers. */
export function quote(to, tag = "button") {
  const properties = { className: `quote ${colour(to.from.id)}` };
  if (tag === "button") Object.assign(properties, { type: "button", title: "Go to this message" });
  return make(tag, properties,
    make("span", { className: "who" }, nameOf(to.from), botLabel(to.from)),
    make("span", { className: "what" }, to.text || "a message"));
}

function chip(reaction, me) {
  const names = reaction.by.slice(0, shownNames).map((member) => member.name + (member.bot ? " (bot)" : ""));
  if (reaction.by.length > shownNames) names.push(`${reaction.by.length - shownNames} more`);
  const mine = reaction.by.some((member) => isMine(member, me));
  return make("button", {
    type: "button", className: "chip", title: names.join(", "), value: reaction.emoji,
    "aria-pressed": String(mine), "aria-label": `${picture(reaction.emoji)} by ${names.join(", ")}`,
  },
    make("span", { className: "emoji" }, picture(reaction.emoji)),
    make("span", { className: "count" }, String(reaction.by.length)));
}

function meta(message) {
  const at = new Date(message.at);
  return make("span", { className: "meta" },
    message.edited ? make("span", {}, "edited") : null,
    make("time", { dateTime: message.at, title: moment(at) }, time(at)));
}

// keyboard is the buttons under a bot's message; the tools press them.
function keyboard(rows) {
  const button = ({ text, data, url }) => {
    if (data) return make("button", { type: "button", className: "press", value: data }, text);
    const href = url && address(url);
    return href ? make("a", { className: "press", href, target: "_blank", rel: "noopener noreferrer" }, text) : make("button", { type: "button", className: "press", disabled: true }, text);
  };
  return make("div", { className: "keyboard", role: "group", "aria-label": "Buttons" }, rows.map((row) => make("div", {}, row.map(button))));
}

/** content returns the elements that show a message to the person called me. */
export function content(message, me) {
  if (message.service) return [make("p", { className: "service" }, message.service)];
  return [
    avatar(message.from.id, message.from.name),
    make("div", { className: "bubble" },
      make("div", { className: "author" }, nameOf(message.from), botLabel(message.from)),
      message.reply_to ? quote(message.reply_to) : null,
      make("div", { className: "text", dir: "auto" }, rich(message.text ?? "", message.entities), meta(message)),
      message.reactions?.length
        ? make("div", { className: "chips", role: "group", "aria-label": "Reactions" }, message.reactions.map((r) => chip(r, me)))
        : null,
      message.buttons?.length ? keyboard(message.buttons) : null),
  ];
}

/** line is a message in a list of chats. */
export function line(message) {
  if (message.service) return [message.service];
  const from = make("span", { className: "from" }, message.from.name, botLabel(message.from), message.from.bot ? " " : ": ");
  return [from, message.text.replace(/\s+/g, " ")];
}
