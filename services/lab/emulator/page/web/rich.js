// A message's text with its entities, as elements.

import { make } from "./dom.js";

const tags = { bold: "strong", italic: "em", underline: "u", strikethrough: "s", code: "code", pre: "pre", blockquote: "blockquote", expandable_blockquote: "blockquote" };
const marks = new Set(["mention", "text_mention", "hashtag", "cashtag", "bot_command"]);

/** address is the address that a link may lead to: only those of the web; a text can say "javascript:" too. */
export function address(raw, email = false) {
  const full = email ? `mailto:${raw}` : /^[a-z][a-z0-9+.-]*:/i.test(raw) ? raw : `https://${raw}`;
  try {
    const url = new URL(full);
    return ["http:", "https:", "mailto:"].includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

function wrap(entity, text, children) {
  if (tags[entity.type]) return make(tags[entity.type], {}, children);
  if (marks.has(entity.type)) return make("span", { className: "mark" }, children);
  if (entity.type === "spoiler") return make("span", { className: "spoiler", tabIndex: 0 }, children);
  if (["url", "text_link", "email"].includes(entity.type)) {
    const href = address(entity.type === "text_link" ? entity.url : text, entity.type === "email");
    if (href) return make("a", { href, target: "_blank", rel: "noopener noreferrer" }, children);
  }
  return make("span", {}, children);
}

/** rich returns the nodes of a text whose entities are sorted, outer ones first. */
export function rich(text, entities = [], from = 0, to = text.length) {
  const nodes = [];
  let at = from;
  for (let i = 0; i < entities.length; i++) {
    const entity = entities[i];
    const end = Math.min(entity.offset + entity.length, to);
    if (entity.offset < at || end <= entity.offset) continue; // overlaps what is done, or is outside
    nodes.push(text.slice(at, entity.offset));
    const inner = entities.slice(i + 1).filter((e) => e.offset < end);
    nodes.push(wrap(entity, text.slice(entity.offset, end), rich(text, inner, entity.offset, end)));
    at = end;
  }
  nodes.push(text.slice(at, to));
  return nodes.filter((node) => node !== "");
}
