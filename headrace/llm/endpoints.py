"""Where an alias is called: a connection with the key on it, and for a local model the server behind it."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from urllib.parse import urlsplit

import httpx

from headrace.errors import SettingsError
from headrace.llm import local_server
from headrace.llm.model_settings import LocalModel, RemoteModel, is_loopback
from headrace.secrets import resolve_secret
from headrace.settings import Settings

# Settings and name in the hub -> the file of the model.
FetchModel = Callable[[Settings, str], Path]


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """An address that can be called.

    Attributes:
        url: Of chat completions.
        client: Sends with the key, which is in nothing else.
        place: What messages call it: the address without key.
        hide: Takes the key out of a text that a server sent.
    """

    url: str
    client: httpx.Client
    place: str
    hide: Callable[[str], str]


class Endpoints:
    """The endpoints of one environment, each opened when it is first asked for and kept until `close`."""

    def __init__(self, settings: Settings, *, fetch_model: FetchModel) -> None:
        """Nothing is opened yet.

        Args:
            settings: The environment.
            fetch_model: Where the file of a local model comes from.
        """
        self._settings = settings
        self._fetch_model = fetch_model
        self._stack = ExitStack()
        self._lock = Lock()
        self._open: dict[str, Endpoint] = {}
        self._servers: dict[tuple[str, int, int], local_server.LocalServer] = {}

    def open(self, alias: str, entry: LocalModel | RemoteModel) -> Endpoint:
        """The endpoint of an alias; a local model's server is started where it does not run yet.

        Raises:
            HeadraceError: The key cannot be resolved, the model is not to be had, or its server does not start.
        """
        with self._lock:
            if isinstance(entry, LocalModel):
                return self._open_local(alias, entry)
            if alias not in self._open:
                self._open[alias] = self._connect(entry, address=entry.address, api_key=_resolve_key(alias, entry.api_key))
            return self._open[alias]

    def close(self) -> None:
        """End connections, and the servers that were started here."""
        with self._lock:
            self._stack.close()
            self._open.clear()
            self._servers.clear()

    def _open_local(self, alias: str, entry: LocalModel) -> Endpoint:
        """The endpoint of a server that runs; one that has ended, whyever, is started anew."""
        key = (entry.model, entry.threads, entry.context_tokens)
        server = self._servers.get(key)
        if server is None or not server.is_running:
            serving = local_server.serve(
                self._fetch_model(self._settings, entry.model),
                model_name=entry.model,
                log_path=self._settings.find_folder("log", "local_model.log"),
                threads=entry.threads,
                context_tokens=entry.context_tokens,
            )
            server = self._servers[key] = self._stack.enter_context(serving)
        found = self._open.get(alias)
        if found is None or found.place != server.address:
            found = self._open[alias] = self._connect(entry, address=server.address, api_key=server.api_key)
        return found

    def _connect(self, entry: LocalModel | RemoteModel, *, address: str, api_key: str | None) -> Endpoint:
        parts = urlsplit(address)
        silence = min(entry.first_token_timeout_s, entry.timeout_s)
        client = httpx.Client(
            headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
            timeout=httpx.Timeout(silence, connect=min(entry.connect_timeout_s, entry.timeout_s)),
            # A proxy is for the way out; and a redirection would take the key to wherever it says.
            trust_env=not is_loopback(parts),
            # Reading the authorities of this machine takes longer than a call of plain http.
            verify=parts.scheme == "https",
            follow_redirects=False,
        )
        self._stack.callback(client.close)
        return Endpoint(
            url=f"{address}/chat/completions",
            client=client,
            place=address,
            hide=lambda text: text.replace(api_key, "***") if api_key else text,
        )


def _resolve_key(alias: str, reference: str | None) -> str | None:
    """The key behind a reference.

    Raises:
        SettingsError: It cannot be resolved, or holds what no header may hold: the HTTP library would quote it in its complaint.
    """
    if reference is None:
        return None
    key = resolve_secret(reference).strip()
    if not key.isascii() or not key.isprintable() or " " in key:
        raise SettingsError(f"the key of language model {alias!r} ({reference}) holds a space or another character that no key has; write it anew")
    return key
