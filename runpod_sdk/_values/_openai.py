"""The base URL under which OpenAI clients reach an endpoint, for workers such as vLLM."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAIAccess:
    """What a client of OpenAI's needs to call this endpoint.

    Attributes:
        base_url: its address; the paths of OpenAI's API come below it.
        api_key: the key of Runpod.

    Examples:
        >>> from runpod_sdk import Client
        >>> Client("key").endpoint("abc").openai.base_url
        'https://api.runpod.ai/v2/abc/openai/v1'
    """

    base_url: str
    api_key: str = field(repr=False)

    @property
    def kwargs(self) -> dict[str, str]:
        """The same as arguments: `openai.OpenAI(**endpoint.openai.kwargs)`, and `openai.AsyncOpenAI`."""
        return {"base_url": self.base_url, "api_key": self.api_key}
