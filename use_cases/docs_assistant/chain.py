"""How chains are built: half of the questions tune retrieval and the bar of silence, the other half judges."""

from headrace.llm.chain_spec import ChainSpec
from headrace.llm.personal_data import KINDS

# The classifier of prompt injection, by the hash of its weights: a chain is not built with others, and does not answer with them.
CLASSIFIER = "3cd77b9e3e9bf1274e15edb95d57c2388da824d0ac02a5f041c3cbbc824c914f"

# What looks at questions, passages and answers; a chain pins it, and each of them blocks when it cannot judge.
GUARDRAILS = {
    "question": {
        "personal_data": {"kinds": KINDS, "max_characters": 2_000},
        # At this threshold the classifier stops no question of the FAQ, and attacks that no rule knows; see docs/llm-guardrails.md.
        "prompt_injection": {"place": "question", "max_score": 0.7, "weights_sha256": CLASSIFIER, "max_characters": 2_000},
    },
    "passages": {"prompt_injection": {"place": "document", "max_score": None, "weights_sha256": None, "max_characters": 50_000}},
    "answer": {
        "grounding": {"min_supported_fraction": 0.5, "max_characters": 10_000},
        "leak": {"max_repeated_words": 8, "max_characters": 10_000},
    },
}

CHAIN = ChainSpec(
    # Of 227 questions at the first tick 114 judge, and as many are tuned on.
    holdout_fraction=0.5,
    validation_fraction=0.25,
    chunks="chunks",
    quoted=3,
    # One question in ten that could be answered may be declined; more declines more of those that cannot.
    min_answered_fraction=0.9,
    # Of the two, the one whose answers stand more often (docs/docs-assistant.md).
    prompt="answer_short",
    model="chat",
    guardrails=GUARDRAILS,
    # Three to eight seconds of a core each.
    worded_at_once=20,
)
