"""A connection to an SFTP server: its host key is checked, everything has a time limit, and what is lost is made
anew."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import io
import logging
from collections.abc import Callable
from typing import NoReturn, TypeVar

import paramiko
from paramiko import ECDSAKey, Ed25519Key, PKey, RSAKey, SFTPClient, SSHClient, SSHException
from paramiko.pkey import PublicBlob
from paramiko.ssh_exception import AuthenticationException, BadHostKeyException, PasswordRequiredException

from jobs.connectors.base import ConnectorError, Context, NotSignedIn, Unreachable
from jobs.connectors.retries import Retries, Transient
from jobs.services.model import Sftp
from synctail.model.sync import Phase

T = TypeVar("T")

CONNECT_S = 10.0
KEEPALIVE_S = 15

# What it says of connections, our own lines say better; of lost ones it prints tracebacks.
logging.getLogger("paramiko").setLevel(logging.CRITICAL)


class Server:
    """`do` gives its function a client, and does it again with a new one when the connection was lost."""

    def __init__(self, given: Sftp, context: Context, phase: Phase) -> None:
        self._given = given
        self._context = context
        self._name = f"{given.host}:{given.port}"
        self._retries = Retries(context, phase, name=self._name)
        self._ssh: SSHClient | None = None
        self._sftp: SFTPClient | None = None
        self._wanted = _wanted(given.host_key)
        self._key = _private_key(given, context)
        self._password = context.secret(given.password.secret) if given.password else None

    def do(self, act: Callable[[SFTPClient], T], what: str) -> T:
        """`what` is named in an error. Raises `ConnectorError`, and `FileNotFoundError`."""

        def once() -> T:
            try:
                return act(self._client())
            except FileNotFoundError:
                raise
            except PermissionError as error:
                raise ConnectorError(f"{self._name}: {what}: permission denied ({error}).") from None
            except (EOFError, TimeoutError, ConnectionError, SSHException) as error:
                self._lose(error)
            except OSError as error:
                if not self.is_open():
                    self._lose(error)
                raise ConnectorError(f"{self._name}: {what}: {error}.") from None

        try:
            return self._retries(once)
        except Transient as error:
            raise Unreachable(f"{self._name} {self._retries.failed_with(error)}.") from None

    def is_open(self) -> bool:
        transport = self._ssh.get_transport() if self._ssh else None
        return transport is not None and transport.is_active()

    def close(self) -> None:
        ssh, self._ssh, self._sftp = self._ssh, None, None
        if ssh:
            ssh.close()

    def _lose(self, error: Exception) -> NoReturn:
        self.close()
        raise Transient(f"the connection was lost ({_said(error)})") from None

    def _client(self) -> SFTPClient:
        if self._sftp is not None and not self.is_open():
            self._lose(ConnectionError("it was closed"))
        if self._sftp is None:
            self.close()
            self._sftp = self._connect()
        return self._sftp

    def _connect(self) -> SFTPClient:
        ssh = self._ssh = SSHClient()
        patience_s = min(CONNECT_S, self._context.patience_s)
        if self._wanted is None:
            ssh.load_system_host_keys()
        ssh.set_missing_host_key_policy(_HostKey(self._wanted))
        try:
            ssh.connect(
                self._given.host,
                self._given.port,
                username=self._given.user,
                password=self._password,
                pkey=self._key,
                timeout=patience_s,
                banner_timeout=patience_s,
                auth_timeout=patience_s,
                channel_timeout=patience_s,
                # Only what the service names: not the keys of whoever runs the worker.
                allow_agent=False,
                look_for_keys=False,
                transport_factory=_transport(self._wanted),
            )
            sftp = ssh.open_sftp()
        except BadHostKeyException as error:
            raise ConnectorError(_strange(self._name, error.key)) from None
        except _StrangeHost as error:
            raise ConnectorError(_strange(self._name, error.key)) from None
        except AuthenticationException as error:
            raise NotSignedIn(
                f"{self._name} does not let the user {self._given.user!r} in: {_said(error)}. "
                "Check the user, and the key or password."
            ) from None
        except SSHException as error:
            # Nothing to sign in with: it says so without having asked.
            if "No authentication methods available" in str(error):
                raise NotSignedIn(
                    f"{self._name} wants a password or a private key, and the service names none."
                ) from None
            raise Transient(f"no connection: {_said(error)}") from None
        except (OSError, EOFError) as error:
            raise Transient(f"no connection: {_said(error)}") from None
        transport = ssh.get_transport()
        if transport:
            transport.set_keepalive(KEEPALIVE_S)
        channel = sftp.get_channel()
        if channel:
            channel.settimeout(self._context.patience_s)
        return sftp


class _StrangeHost(Exception):
    def __init__(self, key: PKey) -> None:
        super().__init__("its host key is not the expected one")
        self.key = key


class _HostKey(paramiko.MissingHostKeyPolicy):  # type: ignore[misc]
    """`wanted`: the only key that is taken; None: none that known_hosts does not hold."""

    def __init__(self, wanted: _Wanted | None) -> None:
        self._wanted = wanted

    def missing_host_key(self, client: SSHClient, hostname: str, key: PKey) -> None:
        del client, hostname
        if self._wanted is None or not self._wanted.is_it(key):
            raise _StrangeHost(key)


class _Wanted:
    """A host key as a definition names it."""

    def __init__(self, kind: str, blob: bytes, digest: bytes) -> None:
        self.kind = kind
        """Empty for a fingerprint, which does not say it."""
        self._blob = blob
        self._digest = digest

    def is_it(self, key: PKey) -> bool:
        shown = key.asbytes()
        if self._digest:
            return hmac.compare_digest(hashlib.sha256(shown).digest(), self._digest)
        return hmac.compare_digest(shown, self._blob)


def _wanted(text: str) -> _Wanted | None:
    """Raises `ConnectorError`."""
    if not text:
        return None
    try:
        if text.startswith("SHA256:"):
            digest = base64.b64decode(text.removeprefix("SHA256:") + "=", validate=True)
            return _Wanted("", b"", digest)
        blob = PublicBlob.from_string(text)
    except (ValueError, binascii.Error, SSHException, IndexError):
        raise ConnectorError(
            "host_key takes a line of known_hosts without the host, such as 'ssh-ed25519 AAAA…', or 'SHA256:…'."
        ) from None
    return _Wanted(blob.key_type, blob.key_blob, b"")


def _transport(wanted: _Wanted | None) -> Callable[..., paramiko.Transport]:
    """A server has several host keys, and shows the one of the kind that is asked for first."""

    def make(sock: object, **more: object) -> paramiko.Transport:
        transport = paramiko.Transport(sock, **more)
        if wanted and wanted.kind:
            kinds = ("rsa-sha2-512", "rsa-sha2-256") if wanted.kind == "ssh-rsa" else (wanted.kind,)
            options = transport.get_security_options()
            first = [kind for kind in kinds if kind in options.key_types]
            options.key_types = (*first, *(kind for kind in options.key_types if kind not in first))
        return transport

    return make


def _private_key(given: Sftp, context: Context) -> PKey | None:
    """Raises `ConnectorError`."""
    if given.private_key is None:
        return None
    text = context.secret(given.private_key.secret)
    if "\n" not in text.strip():
        text = text.replace("\\n", "\n")  # as a line of an environment file often has it
    passphrase = context.secret(given.passphrase.secret) if given.passphrase else None
    name = given.private_key.secret
    for kind in (Ed25519Key, ECDSAKey, RSAKey):
        try:
            return kind.from_private_key(io.StringIO(text.strip() + "\n"), password=passphrase)
        except PasswordRequiredException:
            raise ConnectorError(f"The private key {name} has a passphrase. Name it as 'passphrase'.") from None
        except (SSHException, ValueError, IndexError, TypeError, binascii.Error):
            continue
    raise ConnectorError(f"The secret {name} is no private key that can be read, or its passphrase is another one.")


def _strange(name: str, key: PKey) -> str:
    return (
        f"{name} shows the host key '{key.get_name()} {key.get_base64()}', which is not the expected one. "
        "If it is right, write it into the service as 'host_key'; if not, somebody else may be answering."
    )


def _said(error: Exception) -> str:
    return str(error).strip().rstrip(".") or type(error).__name__
