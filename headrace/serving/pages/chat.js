"use strict";

const form = document.getElementById("ask");
const box = document.getElementById("question");
const turns = document.getElementById("turns");
const problem = document.getElementById("problem");
const conversation = newId();
const inWords = document.getElementById("words");

// As the server is set: never, on_request or always.
inWords.closest("label").hidden = document.body.dataset.words === "never";
inWords.checked = document.body.dataset.words === "always";

// Drawn, since not every machine has a font with thumbs.
function makeThumb(direction, label) {
  const space = "http://www.w3.org/2000/svg";
  const picture = document.createElementNS(space, "svg");
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", "M2 10h4v11H2z M8 21V10l5-8c2 0 3 1 2.5 3.5L14.8 9H20c1.5 0 2.3 1 2 2.3l-2 8c-.3 1.1-1 1.7-2 1.7z");
  picture.setAttribute("viewBox", "0 0 24 24");
  picture.setAttribute("aria-hidden", "true");
  picture.setAttribute("class", `thumb ${direction}`);
  picture.append(path);
  return make("button", { type: "button", "aria-label": label, "aria-pressed": "false" }, picture);
}

function makeFeedback(reply) {
  const state = make("span", { class: "quiet", role: "status" });
  const up = makeThumb("up", "The answer is good");
  const down = makeThumb("down", "The answer is bad");
  const person = make("button", { type: "button", text: "Ask a person" });
  const words = make("textarea", { rows: "3", maxlength: "4000", "aria-label": "What the answer should have been" });
  const submit = make("button", { type: "submit", text: "Send" });
  const correction = make("form", {}, words, make("div", { class: "row" }, submit));
  const details = make("details", {}, make("summary", { text: "Correct it" }), correction);

  async function tell(said, thanks) {
    state.textContent = "";
    try {
      await send("/feedback", { request_id: reply.request_id, feedback_id: newId(), ...said });
      state.textContent = thanks;
      return true;
    } catch (error) {
      state.textContent = error.message;
      return false;
    }
  }

  async function rate(rating) {
    if (!(await tell({ rating }, "Thank you."))) return;
    up.setAttribute("aria-pressed", String(rating === "up"));
    down.setAttribute("aria-pressed", String(rating === "down"));
  }

  up.addEventListener("click", () => rate("up"));
  down.addEventListener("click", () => rate("down"));
  person.addEventListener("click", async () => {
    person.disabled = true;
    person.disabled = await tell({ ask_person: true }, "A person will see your question.");
  });
  correction.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (words.value.trim() === "") return words.focus();
    if (await tell({ rating: "down", correction: words.value }, "Thank you, it will be looked at.")) {
      details.open = false;
      words.value = "";
      // What had the focus is hidden now: who has no mouse goes on from here.
      details.querySelector("summary").focus();
    }
  });
  return make("div", { class: "feedback" }, make("div", { class: "row" }, up, down, person, state), details);
}

async function ask(question) {
  const waiting = inWords.checked ? "Looking, and asking the model ..." : "Looking ...";
  const answer = make("div", { class: "answer" }, make("p", { class: "quiet", text: waiting }));
  const turn = make("li", {}, make("p", { class: "asked", text: question }), answer);
  turns.append(turn);
  document.getElementById("welcome").hidden = true;
  try {
    const reply = await send("/chat", { question, conversation_id: conversation, words: inWords.checked });
    answer.replaceChildren(...makeAnswer(reply), makeFeedback(reply));
    box.value = "";
    turn.scrollIntoView({ block: "start" });
  } catch (error) {
    turn.remove();
    problem.textContent = error.message;
  }
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("button");
  if (box.value.trim() === "" || button.disabled) return;
  problem.textContent = "";
  button.disabled = true;
  await ask(box.value.trim());
  button.disabled = false;
  box.focus({ preventScroll: true });
});

// Enter asks, as in every chat; with Shift it begins a line.
box.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    form.requestSubmit();
  }
});
