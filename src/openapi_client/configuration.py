"""Where the vault is and how to reach it. Knows no operation and opens no connection."""

from __future__ import annotations

from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from openapi_client.exceptions import ApiValueError

DEFAULT_HOST = "http://127.0.0.1:8000"


class Configuration:
    """The settings of an `ApiClient`, set by keyword or by attribute.

    `host`: the vault's address, a path before `/vault` included; http://127.0.0.1:8000, where `holdfast serve`
    listens, unless told otherwise.
    `api_key["apiKey"]`: the key, `api_key_prefix["apiKey"]` a word before it, such as Bearer; the vault takes both.
    `retries`: how often a request is sent again when the network failed: any request that never got through, and
    GET and DELETE also when the answer was lost. None and 0 mean never. An answer, whatever its status, is final.
    `proxy`: an http(s) proxy's address, with `user:password@` if it asks for them.
    `ssl_ca_cert`: file of the certificates to trust, in PEM, in place of the system's; `verify_ssl=False` trusts
    anybody.

    The network settings count from the client's first call on. Raises `ApiValueError` for a host that is no address.
    """

    def __init__(
        self,
        host: str | None = None,
        api_key: dict[str, str] | None = None,
        api_key_prefix: dict[str, str] | None = None,
        *,
        retries: int | None = None,
        proxy: str | None = None,
        ssl_ca_cert: str | None = None,
        verify_ssl: bool = True,
    ) -> None:
        self.host = DEFAULT_HOST if host is None else host
        self.api_key = {} if api_key is None else api_key
        self.api_key_prefix = {} if api_key_prefix is None else api_key_prefix
        self.retries = retries
        self.proxy = proxy
        self.ssl_ca_cert = ssl_ca_cert
        self.verify_ssl = verify_ssl

    @property
    def host(self) -> str:
        """The vault's address, without a slash at its end."""
        return self._host

    @host.setter
    def host(self, value: str) -> None:
        if not _is_address(value):
            raise ApiValueError("host is an http or https URL without user, query or fragment, like " + DEFAULT_HOST)
        self._host = value.rstrip("/")

    def get_api_key_with_prefix(self, identifier: str) -> str | None:
        """The value to authenticate with, `Bearer KEY` or `KEY`; None when no key is set under this name."""
        key = self.api_key.get(identifier)
        prefix = self.api_key_prefix.get(identifier)
        return f"{prefix} {key}" if key and prefix else key or None

    def __repr__(self) -> str:
        return f"Configuration(host={self.host!r}, api_key={dict.fromkeys(self.api_key, '***')!r})"


def _is_address(value: str) -> bool:
    try:
        url = parse_url(value)
    except (LocationParseError, TypeError):
        return False
    return url.scheme in {"http", "https"} and bool(url.host) and not (url.auth or url.query or url.fragment)
