"use strict";

// Every text goes in as text: what a document or a reader wrote is never read as markup.
function make(tag, options = {}, ...children) {
  const { text, ...attributes } = options;
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// A reply as JSON, or an error whose message is the server's sentence.
async function send(path, body) {
  const options = body === undefined ? {} : { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error("the server does not answer; try again in a moment");
  }
  const content = await response.json().catch(() => ({ error: `the server answered ${response.status} and no JSON` }));
  if (!response.ok) throw new Error(content.error);
  return content;
}

function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Words and figure together: neither says much alone.
function sayHowSure(fraction) {
  const words = fraction >= 0.8 ? "Sure" : fraction >= 0.5 ? "Fairly sure" : fraction >= 0.25 ? "Not sure" : "Unsure, look twice";
  return `${words}: the right section comes first in about ${Math.round(fraction * 100)} of 100 such cases.`;
}

function makeCitations(citations) {
  return make(
    "ol",
    { class: "citations" },
    ...citations.map((citation) =>
      make(
        "li",
        { value: String(citation.number) },
        make("blockquote", { text: citation.quotation }),
        make("p", { class: "source", text: citation.heading_path, title: citation.section_id }),
      ),
    ),
  );
}

// Whose words an answer is in; a model's stand only where the passages below hold them.
function sayWhoseWords(reply) {
  if (reply.words === null) return "Quoted, word for word:";
  if (reply.words.is_shown) return "In the model's words. What they rest on, quoted word for word:";
  return `Quoted, word for word. The model's words are not shown: ${reply.words.reason}.`;
}

// An answer that is nothing but its quotations is shown once, as quotations.
function makeAnswer(reply) {
  const isQuotation = reply.citations.length > 0 && reply.citations.every((citation) => reply.answer.includes(citation.quotation));
  const parts = isQuotation ? [] : [make("p", { class: "said", text: reply.answer })];
  if (reply.citations.length > 0) parts.push(make("p", { class: "whose", text: sayWhoseWords(reply) }), makeCitations(reply.citations));
  if (reply.is_answered) parts.push(make("p", { class: "quiet", text: sayHowSure(reply.confidence_fraction) }));
  return parts;
}
