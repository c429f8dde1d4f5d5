"""What TLS shows and believes: the authorities that vouch for servers, and a certificate of our own where asked.

A connection made with a certificate is used again only with the same one, since each has a context of its own and
aiohttp keeps connections apart by context.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import sys
import tempfile
from collections import OrderedDict
from collections.abc import Callable
from typing import BinaryIO

from holdfast.domain.credential import ClientCertificate
from holdfast.errors import RequestValidationError

MakeContext = Callable[[], ssl.SSLContext]

# A context holds the authorities of the system, about half a megabyte.
KEPT = 64


def system_context() -> ssl.SSLContext:
    """Not `ssl.create_default_context`, which writes session keys to a file if SSLKEYLOGFILE is in the environment."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_default_certs()
    context.set_alpn_protocols(["http/1.1"])
    return context


class Contexts:
    """One context for calls without a certificate, and one for each of the certificates that were used last."""

    def __init__(self, make: MakeContext) -> None:
        self._make = make
        self._kept: OrderedDict[ClientCertificate | None, ssl.SSLContext] = OrderedDict()

    async def of(self, certificate: ClientCertificate | None) -> ssl.SSLContext:
        """RequestValidationError if the certificate or its key cannot be read, or one does not fit the other."""
        if certificate not in self._kept:
            # In a thread, because it reads every authority: some 30 ms. Whoever comes first is kept.
            made = await asyncio.to_thread(self._with, certificate)
            self._kept.setdefault(certificate, made)
        self._kept.move_to_end(certificate)
        found = self._kept[certificate]
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return found

    def _with(self, certificate: ClientCertificate | None) -> ssl.SSLContext:
        context = self._make()
        if certificate is not None and not _show(certificate, context):
            raise RequestValidationError("The client certificate and its key cannot be used.")
        return context


def _show(certificate: ClientCertificate, context: ssl.SSLContext) -> bool:
    """Python reads a key from a path only, and a key has no business on a disk: the path names memory."""
    with _in_memory(certificate.chain) as chain, _in_memory(certificate.key.reveal()) as key:
        try:
            # With a password, be it empty, OpenSSL asks nobody at the terminal for the one of a locked key.
            context.load_cert_chain(f"/dev/fd/{chain.fileno()}", f"/dev/fd/{key.fileno()}", password="")
        except (ssl.SSLError, OSError):
            return False
    return True


def _in_memory(text: str) -> BinaryIO:
    """A file that has no name, so that nobody else can open it and nothing of it is left."""
    on_linux = sys.platform == "linux"
    file: BinaryIO = os.fdopen(os.memfd_create("pem"), "w+b") if on_linux else tempfile.TemporaryFile()  # noqa: SIM115
    file.write(text.encode())
    file.seek(0)
    return file
