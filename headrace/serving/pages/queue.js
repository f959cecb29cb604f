"use strict";

const turns = document.getElementById("turns");
const state = document.getElementById("state");
const person = document.getElementById("name");

function makeTurn(waiting, place) {
  const words = make("textarea", { id: `answer-${place}`, rows: "3", maxlength: "4000", required: "" });
  const section = make("input", { id: `section-${place}`, list: `sections-${place}`, maxlength: "1000", placeholder: "none" });
  const known = make("datalist", { id: `sections-${place}` }, ...waiting.reply.citations.map((cited) => make("option", { value: cited.section_id })));
  const problem = make("span", { class: "problem", role: "alert" });
  const form = make(
    "form",
    {},
    make("label", { for: words.id, text: "Your answer" }),
    words,
    make("label", { for: section.id, text: "Section that holds the answer, if one does" }),
    section,
    known,
    make("div", { class: "row" }, make("button", { class: "main", type: "submit", text: "Answer" }), problem),
  );
  const asked = new Date(waiting.asked_at);
  const turn = make(
    "li",
    {},
    make("p", { class: "asked", text: waiting.question }),
    make("p", { class: "quiet", text: `Waits since ${asked.toLocaleString()}. The assistant said:` }),
    make("div", { class: "answer" }, ...makeAnswer(waiting.reply)),
    form,
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    problem.textContent = "";
    if (person.value.trim() === "") {
      problem.textContent = "say who you are, above";
      return person.focus();
    }
    try {
      const said = { request_id: waiting.request_id, answer: words.value, section_id: section.value.trim() || null, answered_by: person.value };
      await send("/queue/answers", said);
      turn.remove();
      count();
    } catch (error) {
      problem.textContent = error.message;
    }
  });
  return turn;
}

function count() {
  const number = turns.children.length;
  state.textContent = number === 0 ? "No question waits." : number === 1 ? "1 question waits." : `${number} questions wait, the oldest first.`;
}

async function show() {
  try {
    const found = await send("/queue/questions");
    turns.replaceChildren(...found.questions.map(makeTurn));
    count();
  } catch (error) {
    state.textContent = error.message;
  }
}

show();
