"""The kubeconfig as kubectl reads it, for programs that must start at once.

The libraries that read it take longer to load than a command of the plugin may take in all, and a
third of the operator's start; they know no `--as`. See decisions 68 and 74.
"""

import asyncio
import base64
import difflib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from surefoot.adapters.kubernetes.endpoint import Endpoint
from surefoot.errors import ConfigurationError

JSON = dict[str, Any]

USUAL_FILE = Path("~/.kube/config")
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
LARGEST_FILE = 16 * 1024 * 1024
"""Of a kubeconfig or a token. A thousand clusters with their certificates take some 5 MiB."""
SECTIONS = ("clusters", "contexts", "users")
EXEC_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")


@dataclass(frozen=True, slots=True)
class KubeconfigOptions:
    """What was asked for on the command line; None is what kubectl would take.

    ``program_within`` are the seconds for a program that gives out credentials: it may ask the
    person to log in.
    """

    kubeconfig: str | None = None
    context: str | None = None
    user: str | None = None
    groups: tuple[str, ...] = ()
    program_within: float = 60.0


class KubeconfigAccess:
    """The way to the API server that a kubeconfig, or else the pod's service account, describes."""

    def __init__(
        self, origin: str, context: JSON, cluster: JSON, user: JSON, options: KubeconfigOptions
    ) -> None:
        """Use ``load``."""
        self.origin = origin
        """Where the configuration was found, for people."""
        self._context = context
        self._cluster = cluster
        self._user = user
        self._options = options
        self._issued: JSON | None = None
        """What the user's program gave out."""

    @classmethod
    def load(cls, options: KubeconfigOptions) -> "KubeconfigAccess":
        """Read the file that is named, else $KUBECONFIG, else ~/.kube/config, else the pod's.

        Raises `ConfigurationError`, saying what is missing and what there is instead.
        """
        paths = _paths(options.kubeconfig)
        if not paths:
            return _in_cluster(options)
        merged = _merged(paths, is_named=options.kubeconfig is not None)
        origin = os.pathsep.join(map(str, paths))
        name = options.context or merged.get("current-context") or ""
        if not name:
            raise ConfigurationError(
                f"{origin} has no current context: choose one with --context, or with "
                f"`kubectl config use-context`{_there_are('contexts', merged['contexts'])}"
            )
        context = _entry(merged, "contexts", name, origin)
        cluster = _entry(merged, "clusters", str(context.get("cluster") or ""), origin)
        user = context.get("user")
        return cls(
            origin,
            context,
            cluster,
            _entry(merged, "users", str(user), origin) if user else {},
            options,
        )

    @property
    def namespace(self) -> str:
        """The namespace that the context, or the pod, stands in; `default` where none is said."""
        return str(self._context.get("namespace") or "default")

    @property
    def endpoint(self) -> Endpoint:
        """Where and how to connect."""
        cluster, user = self._cluster, {**self._user, **self._certificate_issued()}
        server = str(cluster.get("server") or "")
        if urlsplit(server).scheme not in {"http", "https"}:
            raise ConfigurationError(f'{self.origin}: the server "{server}" is not a URL')
        return Endpoint(
            server=server.rstrip("/"),
            ca_file=cluster.get("certificate-authority"),
            ca_data=_decoded(cluster, "certificate-authority-data", self.origin),
            certificate_file=user.get("client-certificate"),
            certificate_data=_decoded(user, "client-certificate-data", self.origin),
            key_file=user.get("client-key"),
            key_data=_decoded(user, "client-key-data", self.origin),
            verify=not cluster.get("insecure-skip-tls-verify"),
            server_name=cluster.get("tls-server-name"),
            proxy=cluster.get("proxy-url"),
        )

    @property
    def impersonation(self) -> tuple[tuple[str, str], ...]:
        """The headers that say in whose name requests are made, where that is somebody else's."""
        user = self._options.user or self._user.get("as")
        if not user:
            if self._options.groups:
                raise ConfigurationError("--as-group goes with --as")
            return ()
        groups = self._options.groups or (
            () if self._options.user else self._user.get("as-groups") or ()
        )
        return (
            ("Impersonate-User", str(user)),
            *(("Impersonate-Group", str(group)) for group in groups),
        )

    async def authorization(self) -> str | None:
        """The value of the Authorization header, or None where a certificate says who we are."""
        user = self._user
        if "exec" in user:
            if self._issued is None:
                self._issued = await asyncio.to_thread(self._run_program)
            token = self._issued.get("token")
            return self._bearer(token) if token else None
        if user.get("tokenFile"):
            return self._bearer(_text_of(Path(user["tokenFile"])))
        if user.get("token"):
            return self._bearer(user["token"])
        if user.get("username"):
            pair = f"{user['username']}:{user.get('password') or ''}"
            return f"Basic {base64.b64encode(pair.encode()).decode()}"
        if user.get("auth-provider"):
            raise ConfigurationError(
                f"{self.origin} uses an auth-provider, which kubectl knows no more: "
                "use the exec plugin of your provider"
            )
        return None

    def _bearer(self, token: object) -> str:
        """The header of a token. One that fits into no header is not handed on to be quoted."""
        text = token.strip() if isinstance(token, str) else ""
        if not text or not text.isascii() or not text.isprintable() or " " in text:
            raise ConfigurationError(
                f"{self.origin}: a token may only have ASCII characters without spaces, in one line"
            )
        return f"Bearer {text}"

    async def refresh(self) -> None:
        """Have the user's program asked again; whatever else there is is read again anyway."""
        self._issued = None

    def _certificate_issued(self) -> JSON:
        issued = self._issued or {}
        if "clientCertificateData" not in issued:
            return {}
        texts = (issued["clientCertificateData"], issued.get("clientKeyData") or "")
        certificate, key = (base64.b64encode(text.encode()).decode() for text in texts)
        return {"client-certificate-data": certificate, "client-key-data": key}

    def _run_program(self) -> JSON:
        """What the user's program gives out. Raises `ConfigurationError` where it gives nothing.

        What is raised quotes neither its arguments nor its answer: there may be secrets in both.
        """
        program: JSON = self._user["exec"]
        command, version = str(program.get("command") or ""), program.get("apiVersion")
        if version not in EXEC_VERSIONS:
            raise ConfigurationError(f"{self.origin}: {command} speaks {version}, not v1")
        if shutil.which(command) is None:
            hint = program.get("installHint") or "install it, or mend the kubeconfig"
            raise ConfigurationError(f"{self.origin} needs the program {command}: {hint}")
        asks = {
            "apiVersion": version,
            "kind": "ExecCredential",
            "spec": {"interactive": sys.stdin.isatty()}
            | ({"cluster": self._cluster_info()} if program.get("provideClusterInfo") else {}),
        }
        given = {variable["name"]: variable["value"] for variable in program.get("env") or ()}
        try:
            done = subprocess.run(  # noqa: S603 - the person's own kubeconfig names it
                [command, *map(str, program.get("args") or ())],
                env={**os.environ, **given, "KUBERNETES_EXEC_INFO": json.dumps(asks)},
                stdout=subprocess.PIPE,
                timeout=self._options.program_within,
                check=True,
            )
            status = json.loads(done.stdout)["status"]
        except subprocess.CalledProcessError as error:
            raise ConfigurationError(
                f"{command} gave no credentials and ended with {error.returncode}: log in again"
            ) from None
        except subprocess.TimeoutExpired as error:
            raise ConfigurationError(
                f"{command} gave no credentials: it did not answer within {error.timeout:g} s"
            ) from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigurationError(f"{command} gave no credentials: {error}") from error
        if not isinstance(status, dict):
            raise ConfigurationError(f"{command} gave no credentials: its answer has no status")
        return status

    def _cluster_info(self) -> JSON:
        names = ("server", "insecure-skip-tls-verify", "tls-server-name", "proxy-url")
        info = {name: self._cluster[name] for name in names if name in self._cluster}
        for extension in self._cluster.get("extensions") or ():
            if extension.get("name") == "client.authentication.k8s.io/exec":
                info["config"] = extension.get("extension")
        if "certificate-authority-data" in self._cluster:
            info["certificate-authority-data"] = self._cluster["certificate-authority-data"]
        return info


def _paths(named: str | None) -> list[Path]:
    if named is not None:
        return [Path(named).expanduser()]
    variable = os.environ.get("KUBECONFIG")
    if variable:
        return [Path(part).expanduser() for part in variable.split(os.pathsep) if part]
    usual = USUAL_FILE.expanduser()
    return [usual] if usual.exists() else []


def _merged(paths: Iterable[Path], *, is_named: bool) -> JSON:
    """The files as one: of two entries of a name the first counts, as for kubectl."""
    merged: JSON = {section: {} for section in SECTIONS}
    missing = []
    for path in paths:
        if not path.exists() and not is_named:
            missing.append(str(path))
            continue
        content = _read(path)
        merged.setdefault("current-context", content.get("current-context") or None)
        merged["current-context"] = merged["current-context"] or content.get("current-context")
        for section in SECTIONS:
            for name, entry in _entries(content, section, path):
                merged[section].setdefault(name, entry)
    if missing and not merged["contexts"]:
        raise ConfigurationError(
            f"cannot find the API server: there is no {', no '.join(missing)}, which KUBECONFIG "
            "names: set it to a kubeconfig file (commands also take --kubeconfig)"
        )
    return merged


def _read(path: Path) -> JSON:
    try:
        content = yaml.load(_text_of(path), Loader=_LOADER)  # noqa: S506 - a safe loader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f":{mark.line + 1}:{mark.column + 1}" if mark is not None else ""
        raise ConfigurationError(f"{path}{where}: this is not YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path} is not YAML: {error}") from error
    if not isinstance(content, dict):
        raise ConfigurationError(f"{path} is not a kubeconfig: it has no contexts")
    return content


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _text_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
            size = max(len(content), os.fstat(file.fileno()).st_size)
        text = content.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ConfigurationError(f"cannot find the API server: {path}: {why}") from error
    if len(content) > LARGEST_FILE:
        least, most = (f"{bytes_ / 1024 / 1024:.4g} MiB" for bytes_ in (size, LARGEST_FILE))
        raise ConfigurationError(
            f"cannot find the API server: {path} has {least} or more, and at most {most} are read: "
            "name a kubeconfig with --kubeconfig or KUBECONFIG"
        )
    return text


_FILES = (*("certificate-authority", "client-certificate", "client-key", "tokenFile"),)
"""Fields that name files, relative to the kubeconfig's folder."""


def _entries(content: JSON, section: str, path: Path) -> Iterator[tuple[str, JSON]]:
    singular = section.removesuffix("s")
    for entry in content.get(section) or ():
        if not isinstance(entry, dict) or not isinstance(entry.get(singular) or {}, dict):
            raise ConfigurationError(f"{path}: {section} has an entry that is none: {entry!r:.60}")
        values = dict(entry.get(singular) or {})
        for field in _FILES:
            if values.get(field):
                values[field] = str(path.absolute().parent / str(values[field]))
        program = values.get("exec")
        if isinstance(program, dict) and os.sep in str(program.get("command") or ""):
            command = str(path.absolute().parent / str(program["command"]))
            values["exec"] = {**program, "command": command}
        yield str(entry.get("name")), values


def _entry(merged: Mapping[str, Any], section: str, name: str, origin: str) -> JSON:
    entry = merged[section].get(name)
    if isinstance(entry, dict):
        return entry
    singular = section.removesuffix("s")
    raise ConfigurationError(
        f"there is no {singular} {name!r} in {origin}{_there_are(section, merged[section], name)}"
    )


def _there_are(section: str, known: Iterable[str], wished: str = "") -> str:
    names = sorted(known)
    if not names:
        return f"; it has no {section}"
    near = difflib.get_close_matches(wished, names, 1)
    if near:
        return f"; did you mean {near[0]}?"
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return f"; its {section} are {', '.join(names[:10])}{more}"


def _decoded(values: Mapping[str, Any], field: str, origin: str) -> str | None:
    text = values.get(field)
    if not text:
        return None
    try:
        return base64.b64decode("".join(str(text).split()), validate=True).decode("ascii")
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"{origin}: {field} is not base64 of a PEM text") from error


def _in_cluster(options: KubeconfigOptions) -> KubeconfigAccess:
    host, port = (os.environ.get(f"KUBERNETES_SERVICE_{part}") for part in ("HOST", "PORT"))
    if not host or not (SERVICE_ACCOUNT / "token").exists():
        raise ConfigurationError(
            f"cannot find the API server: there is no {USUAL_FILE}, and this is no pod; set "
            "KUBECONFIG to a kubeconfig file (commands also take --kubeconfig)"
        )
    if options.context:
        raise ConfigurationError("--context chooses from a kubeconfig, and there is none here")
    address = f"[{host}]" if ":" in host else host
    namespace = SERVICE_ACCOUNT / "namespace"
    return KubeconfigAccess(
        "the pod's service account",
        {"namespace": namespace.read_text("utf-8").strip() if namespace.exists() else ""},
        {
            "server": f"https://{address}:{port or 443}",
            "certificate-authority": str(SERVICE_ACCOUNT / "ca.crt"),
        },
        {"tokenFile": str(SERVICE_ACCOUNT / "token")},
        options,
    )
