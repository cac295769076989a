"""A sink that is an HTTP server: JSON lines by POST, with a bearer token."""

from collections.abc import Sequence
from pathlib import Path

import aiohttp

from surefoot.errors import SinkError

LARGEST_TOKEN = 64 * 1024


class HttpSink:
    """Lines as the body of a POST. Any 2xx answer means that they are safe."""

    def __init__(self, name: str, timeout: float, url: str, token_file: Path | None = None) -> None:
        self.name = name
        self.timeout = timeout
        self._url = url
        self._token_file = token_file
        self._session: aiohttp.ClientSession | None = None

    async def deliver(self, lines: Sequence[str]) -> None:
        """Post all lines. Raises `SinkError`, which never quotes the token."""
        headers = {"Content-Type": "application/x-ndjson", **self._authorization()}
        body = "".join(f"{line}\n" for line in lines).encode()
        if self._session is None:
            self._session = aiohttp.ClientSession(headers={"User-Agent": "surefoot"})
        try:
            # No redirects: the token is for this server.
            async with self._session.post(
                self._url, data=body, headers=headers, allow_redirects=False
            ) as answer:
                if not 200 <= answer.status < 300:
                    raise SinkError(f"{self._url} answered {answer.status}, expected 2xx")
        except (aiohttp.ClientError, OSError) as error:
            if isinstance(error, TimeoutError):
                raise
            raise SinkError(f"no answer from {self._url}: {error}") from error

    async def close(self) -> None:
        """Close all connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _authorization(self) -> dict[str, str]:
        if self._token_file is None:
            return {}
        try:
            with self._token_file.open("rb") as file:
                token = file.read(LARGEST_TOKEN).decode("ascii").strip()
        except OSError as error:
            reason = (error.strerror or type(error).__name__).lower()
            raise SinkError(f"tokenFile {self._token_file}: {reason}") from error
        except UnicodeDecodeError:
            raise SinkError(f"tokenFile {self._token_file}: must hold one ASCII token") from None
        if not token.isprintable() or not token or " " in token:
            raise SinkError(f"tokenFile {self._token_file}: must hold one ASCII token")
        return {"Authorization": f"Bearer {token}"}
