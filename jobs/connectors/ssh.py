"""A connection to an SFTP server: its host key is checked, all has a time limit, and a lost one is made again."""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import logging
from collections.abc import Callable
from typing import NoReturn, TypeVar

import paramiko
from paramiko import ECDSAKey, Ed25519Key, PKey, RSAKey, SFTPClient, SSHClient, SSHException
from paramiko.pkey import PublicBlob
from paramiko.ssh_exception import AuthenticationException, BadHostKeyException, PasswordRequiredException

from jobs.connectors.base import ConnectorError, Context, NotSignedIn
from jobs.connectors.retries import Retries, Transient
from jobs.services.model import Sftp
from synctail.model.sync import Phase

T = TypeVar("T")

CONNECT_S = 10.0
KEEPALIVE_S = 15

# Our own lines are better than what it logs of connections; of lost ones it prints tracebacks.
logging.getLogger("paramiko").setLevel(logging.CRITICAL)


class Server:
    """`do` hands a client to a function, and runs it again with a new one when the connection is lost."""

    def __init__(self, definition: Sftp, context: Context, phase: Phase) -> None:
        self._definition = definition
        self._patience_s = context.patience_s
        self._name = f"{definition.host}:{definition.port}"
        self._retries = Retries(context, phase, name=self._name)
        self._ssh: SSHClient | None = None
        self._sftp: SFTPClient | None = None
        self._host_key = _HostKey(self._name, definition.host_key)
        self._key = _private_key(definition, context)
        self._password = context.secret(definition.password.secret) if definition.password else None

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

        return self._retries(once)

    def in_folder(self, act: Callable[[SFTPClient], T], folder: str) -> T:
        """As `do`, but raises `ConnectorError` where the folder is missing."""
        try:
            return self.do(act, folder)
        except FileNotFoundError:
            raise ConnectorError(f"There is no folder {folder!r} on the server.") from None

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
        if not self._definition.host_key:
            ssh.load_system_host_keys()
        ssh.set_missing_host_key_policy(self._host_key)
        try:
            self._sign_in(ssh)
            sftp = ssh.open_sftp()
        except BadHostKeyException as error:
            raise _strange(self._name, error.key) from None
        except AuthenticationException as error:
            refused = f"{self._name} refused the user {self._definition.user!r}: {_said(error)}"
            raise NotSignedIn(f"{refused}. Check the user, and the key or password.") from None
        except (SSHException, OSError, EOFError) as error:
            if "No authentication methods available" in str(error):  # paramiko says so without having asked
                lacks = "requires a password or a private key, and the service names neither"
                raise NotSignedIn(f"{self._name} {lacks}.") from None
            raise Transient(f"no connection: {_said(error)}") from None
        if transport := ssh.get_transport():
            transport.set_keepalive(KEEPALIVE_S)
        if channel := sftp.get_channel():
            channel.settimeout(self._patience_s)
        return sftp

    def _sign_in(self, ssh: SSHClient) -> None:
        limit_s = min(CONNECT_S, self._patience_s)
        ssh.connect(
            self._definition.host,
            self._definition.port,
            username=self._definition.user,
            password=self._password,
            pkey=self._key,
            **dict.fromkeys(("timeout", "banner_timeout", "auth_timeout", "channel_timeout"), limit_s),
            # Only what the service names: not the keys of the worker's user.
            allow_agent=False,
            look_for_keys=False,
            transport_factory=self._host_key.transport,
        )


class _HostKey(paramiko.MissingHostKeyPolicy):  # type: ignore[misc]
    """Accepts the host key that a definition names, as a line of known_hosts or a fingerprint, and no other."""

    def __init__(self, name: str, text: str) -> None:
        """`name`: of the server. Raises `ConnectorError`."""
        self._name = name
        self._kind, self._sha256 = "", b""  # a fingerprint does not say its kind
        try:
            if text.startswith("SHA256:"):
                self._sha256 = base64.b64decode(text.removeprefix("SHA256:") + "=", validate=True)
            elif text:
                blob = PublicBlob.from_string(text)
                self._kind, self._sha256 = blob.key_type, hashlib.sha256(blob.key_blob).digest()
        except (ValueError, binascii.Error, SSHException, IndexError):
            raise ConnectorError(
                "host_key takes a line of known_hosts without the host, such as 'ssh-ed25519 AAAA…', or 'SHA256:…'."
            ) from None

    def missing_host_key(self, client: SSHClient, hostname: str, key: PKey) -> None:
        del client, hostname
        if hashlib.sha256(key.asbytes()).digest() != self._sha256:
            raise _strange(self._name, key)

    def transport(self, sock: object, **more: object) -> paramiko.Transport:
        """A server has several host keys, and presents one of the kind that is asked for first."""
        transport = paramiko.Transport(sock, **more)
        kinds = ("rsa-sha2-512", "rsa-sha2-256") if self._kind == "ssh-rsa" else (self._kind,)
        options = transport.get_security_options()
        # A stable sort: the others keep their order.
        options.key_types = sorted(options.key_types, key=lambda kind: (*kinds, kind).index(kind))
        return transport


def _strange(name: str, key: PKey) -> ConnectorError:
    return ConnectorError(
        f"{name} presented the host key '{key.get_name()} {key.get_base64()}', which is not the expected one. "
        "If it is right, set it as 'host_key' in the service; if not, another machine may be answering."
    )


def _private_key(definition: Sftp, context: Context) -> PKey | None:
    """Raises `ConnectorError`."""
    if definition.private_key is None:
        return None
    name = definition.private_key.secret
    text = context.secret(name)
    if "\n" not in text.strip():
        text = text.replace("\\n", "\n")  # as a line of an environment file often has it
    passphrase = context.secret(definition.passphrase.secret) if definition.passphrase else None
    for kind in (Ed25519Key, ECDSAKey, RSAKey):
        try:
            return kind.from_private_key(io.StringIO(text.strip() + "\n"), password=passphrase)
        except PasswordRequiredException:
            raise ConnectorError(f"The private key {name} has a passphrase. Name it as 'passphrase'.") from None
        except (SSHException, ValueError, IndexError, TypeError, binascii.Error):
            continue
    raise ConnectorError(f"The secret {name} is not a readable private key, or the passphrase is wrong.")


def _said(error: Exception) -> str:
    return str(error).strip().rstrip(".") or type(error).__name__
