"""A served answer in a model's words: the champion's model words it from the quoted sections, and quotations stand in where its words do not.

The words are read whole, checked and logged before the first of them is sent. The calls travel with the answer's row, and become rows of
`metrics.llm_calls` when the log is drained.
"""

import logging
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from functools import partial

import numpy as np
import polars as pl

from headrace.errors import GatewayError, HeadraceError, ServingError
from headrace.llm.chain import QUESTION, Chain
from headrace.llm.chain_candidate import CHAIN, Pins, read_pins
from headrace.llm.contestants import load_pinned_prompt
from headrace.llm.gateway import Gateway
from headrace.llm.model_calls import CallOrigin, ModelCall, format_call
from headrace.llm.prompts import PromptVersion
from headrace.llm.wording import Wording, word_answer
from headrace.models.kinds.assistant import Reply, Worded, format_replies
from headrace.serving.model_watcher import Champion
from headrace.serving.server import Predict
from headrace.settings import Settings
from headrace.use_case import UseCase

logger = logging.getLogger(__name__)

# Answers that are worded at once; a small model of this machine words one at a time anyway. Further ones are quoted at once, not late.
AT_ONCE = 4

# What a caller is told; which model, where and what exactly came is in the rows of its calls.
BUSY = "the model has other answers to word; ask again in a moment"
AWAY = "the model gave no whole answer in time"
NOT_PINNED = "this version of the assistant quotes and words nothing"
CHANGED = "this version of the assistant was examined with another model or prompt than this server has"
UNKNOWN = "this server cannot read which prompt the assistant was examined with"


class Words:
    """Words answers. `stop` after the last."""

    def __init__(self, settings: Settings, case: UseCase) -> None:
        """Prepare; no model is started before the first answer.

        Args:
            settings: The environment; its `serving_words_timeout_s` bounds every call.
            case: The assistant.
        """
        self._settings, self._case = limit_waiting(settings), case
        self._turns = threading.BoundedSemaphore(AT_ONCE)
        self._opened, self._stack = threading.Lock(), ExitStack()
        self._gateway: Gateway | None = None
        # Of the champion that was asked last.
        self._prompts: dict[str, PromptVersion] = {}

    def stop(self) -> None:
        """End connections, and the model that was started here."""
        self._stack.close()

    def ask(self, *, request_id: str, asked_at: datetime) -> Predict:
        """How a champion is asked for an answer in its model's words.

        Args:
            request_id: The request, which the calls name.
            asked_at: Its arrival (UTC).
        """
        return partial(self._predict, request_id=request_id, asked_at=asked_at)

    def _predict(self, champion: Champion, rows: pl.DataFrame, *, request_id: str, asked_at: datetime) -> np.ndarray:
        return format_replies([self._reply(champion, question, request_id, asked_at) for question in rows[QUESTION]])

    def _reply(self, champion: Champion, question: str, request_id: str, asked_at: datetime) -> Reply:
        chain = champion.scorer
        if not isinstance(chain, Chain):
            raise ServingError(f"version {champion.ref.version} is no chain, so nothing of it can be worded")
        if not self._turns.acquire(blocking=False):
            return replace(chain.reply(question), worded=Worded(is_shown=False, reason=BUSY))
        try:
            pins = read_pins(champion.ref.folder / CHAIN)
            prompt, obstacle = self._find_prompt(champion, pins)
            if prompt is None or pins.model is None:
                return replace(chain.reply(question), worded=Worded(is_shown=False, reason=obstacle))
            origin = CallOrigin(
                use_case=self._case.name, purpose="answer", request_id=request_id, prompt=prompt.name, prompt_version=prompt.version,
                prompt_hash=prompt.hash, asked_at=asked_at,
            )  # fmt: skip
            return self._word(chain, question, prompt=prompt, alias=pins.model["alias"], origin=origin)
        finally:
            self._turns.release()

    def _word(self, chain: Chain, question: str, *, prompt: PromptVersion, alias: str, origin: CallOrigin) -> Reply:
        try:
            worded = word_answer(chain, question, prompt=prompt, gateway=self._open_gateway(), alias=alias, origin=origin)
        except GatewayError as error:
            logger.warning("no words: %s", error)
            return replace(chain.reply(question), worded=Worded(is_shown=False, reason=AWAY, calls=_format(error.calls)))
        return replace(worded.reply, worded=_describe(worded))

    def _find_prompt(self, champion: Champion, pins: Pins) -> tuple[PromptVersion | None, str]:
        """The prompt that a champion pins, or why its model cannot be asked."""
        if pins.prompt is None or pins.model is None:
            return None, NOT_PINNED
        known = self._prompts.get(champion.ref.model_id)
        if known is not None:
            return known, ""
        try:
            found = load_pinned_prompt(self._settings, self._case, prompt=pins.prompt, model=pins.model)
        except HeadraceError as error:
            logger.warning("no words: %s", error)
            return None, UNKNOWN
        if found is not None:
            self._prompts = {champion.ref.model_id: found}
        return found, "" if found else CHANGED

    def _open_gateway(self) -> Gateway:
        with self._opened:
            if self._gateway is None:
                self._gateway = self._stack.enter_context(Gateway(self._settings))
            return self._gateway


def limit_waiting(settings: Settings) -> Settings:
    """The settings with language models that wait no longer than a reader does."""
    most = settings.serving_words_timeout_s
    limited = {
        alias: entry.model_copy(update={name: min(getattr(entry, name), most) for name in ("timeout_s", "first_token_timeout_s")})
        for alias, entry in settings.language_models.items()
    }
    return settings.model_copy(update={"language_models": limited})


def _describe(worded: Wording) -> Worded:
    return Worded(
        is_shown=worded.verdict.passed, reason=worded.verdict.reason, messages=worded.messages, said=worded.said, calls=_format(worded.calls)
    )


def _format(calls: Sequence[ModelCall]) -> tuple[dict[str, object], ...]:
    return tuple(format_call(call) for call in calls)
