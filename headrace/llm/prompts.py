"""The versions of prompts, in MLflow's prompt registry: the file is the source, the registry remembers what was used.

A text is registered once: registering it again finds its version by its hash. A version holds the whole definition, so that what
a chain pinned is read back as it was, whatever its file says by then. Prompts have versions and no champion: only a chain has.
"""

import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headrace.errors import PromptError
from headrace.llm.prompt_templates import PromptTemplate, build_prompt
from headrace.locking import hold
from headrace.provenance import read_commit
from headrace.registry.client import is_unborn, open_registry
from headrace.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient

logger = logging.getLogger(__name__)

_HASH, _DEFINITION = "hash", "definition"


@dataclass(frozen=True, kw_only=True)
class PromptVersion:
    """A registered prompt.

    Attributes:
        name: `<environment>.<use_case>.<prompt>`.
        version: Its number in the registry, from 1.
        hash: Hash of its definition; the same text has the same hash in every environment.
        template: The prompt.
    """

    name: str
    version: int
    hash: str
    template: PromptTemplate


def prompt_name(settings: Settings, use_case: str, prompt: str) -> str:
    """`<environment>.<use_case>.<prompt>`, the name in the registry."""
    return f"{settings.environment}.{use_case}.{prompt}"


def register_prompt(settings: Settings, use_case: str, template: PromptTemplate) -> PromptVersion:
    """Register a prompt, unless its text is registered already.

    Args:
        settings: The environment whose registry is written.
        use_case: Name of the use case.
        template: The prompt.

    Raises:
        RegistryError: The registry cannot be reached, or refuses.
    """
    name = prompt_name(settings, use_case, template.name)
    # Two that come together would make two versions of one text.
    with hold(settings.find_folder("registry", "prompts.lock")), open_registry(settings) as client:
        number = _find_version(client, name, template=template)
        if number is None:
            created = client.register_prompt(
                name,
                _describe(template),
                commit_message=template.description,
                tags={_HASH: template.hash, _DEFINITION: template.definition, "use_case": use_case, "commit": read_commit()},
                response_format=dict(template.output_schema) if template.output_schema else None,
            )
            number = int(created.version)
            logger.info("registered prompt %s version=%d hash=%s", name, number, template.hash[:12])
    return PromptVersion(name=name, version=number, hash=template.hash, template=template)


def load_prompt(settings: Settings, use_case: str, prompt: str, *, version: int) -> PromptVersion:
    """A registered prompt as it was registered.

    Args:
        settings: The environment.
        use_case: Name of the use case.
        prompt: Name of the prompt.
        version: Its number.

    Raises:
        PromptError: There is no such version, headrace did not register it, or it was changed since.
        RegistryError: The registry cannot be reached.
    """
    name = prompt_name(settings, use_case, prompt)
    found = None
    if not is_unborn(settings):
        with open_registry(settings) as client:
            # The cache of MLflow would answer for versions that are gone.
            found = client.load_prompt(name, version=version, allow_missing=True, cache_ttl_seconds=0)
    if found is None:
        raise PromptError(f"the registry of {settings.environment} has no version {version} of prompt {name}; train registers the prompts it uses")
    tags = dict(found.tags)
    if _HASH not in tags or _DEFINITION not in tags:
        raise PromptError(f"version {version} of prompt {name} has no definition, so headrace did not register it; change the file and train")
    template = build_prompt(json.loads(tags[_DEFINITION]), where=f"version {version} of prompt {name}")
    if template.hash != tags[_HASH]:
        raise PromptError(f"version {version} of prompt {name} is not what its hash says, so somebody changed it in the registry; train again")
    return PromptVersion(name=name, version=version, hash=template.hash, template=template)


def _find_version(client: "MlflowClient", name: str, *, template: PromptTemplate) -> int | None:
    """The first version that says what a text says; one whose definition somebody changed has its hash, and is not it.

    MLflow finds prompts among versions of models only when it is told that it is a prompt.
    """
    found = client.search_model_versions(f"name = '{name}' and tags.`mlflow.prompt.is_prompt` = 'true' and tags.{_HASH} = '{template.hash}'")
    return min((int(version.version) for version in found if version.tags.get(_DEFINITION) == template.definition), default=None)


def _describe(template: PromptTemplate) -> list[dict[str, str]]:
    """The prompt as MLflow's page shows it: its templates as messages, examples in words."""
    shown = [f"Example: {json.dumps(dict(example.variables), ensure_ascii=False)}\nAnswer: {example.answer}" for example in template.examples]
    system = "\n\n".join([*filter(None, [template.system]), *shown])
    return [{"role": "system", "content": system}] * bool(system) + [{"role": "user", "content": template.user}]
