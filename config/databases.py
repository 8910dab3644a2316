"""DATABASES, read from the environment; importing or calling this connects to nothing.

`DATABASE_URL` is the database of everything; `ORDERS_DATABASE_URL` and its like give one context its own. Behind
PgBouncer set DATABASE_SEARCH_PATH=role and give the role what the connection then can't ask for:
`ALTER ROLE shop SET search_path = ...` (`manage.py check --database default` prints it), and its timeouts likewise.
"""

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from environ import Env

from shop.contexts import CONTEXTS

ENGINE = "shop.database"
RECONNECT_SECONDS = 2
ANSWER_GRACE_SECONDS = 5


def databases_from_env(env: Mapping[str, str], *, otherwise: str = "") -> dict[str, dict[str, Any]]:
    """Build Django's DATABASES: `default` first, then an alias for each context that has its own URL.

    Args:
        env: The environment.
        otherwise: The URL of `default` where DATABASE_URL names none. Without either there is no `default`.

    Raises:
        ImproperlyConfigured: a variable can't be used; names it and never shows its value, which may hold a password.
    """
    variables = {"default": "DATABASE_URL"} | {context: f"{context.upper()}_DATABASE_URL" for context in CONTEXTS}
    urls = {alias: env.get(variable, "").strip() for alias, variable in variables.items()}
    urls["default"] = urls["default"] or otherwise
    databases = {
        alias: {**_parse(url, variable=variables[alias]), **_connection_policy(env)}
        for alias, url in urls.items()
        if url
    }
    for alias, database in databases.items():
        database["OPTIONS"] = _options(env) | database["OPTIONS"]
        _refuse_shared_database(alias, databases, variables)
    return databases


def asynchronous_commit_from_env(env: Mapping[str, str], databases: Mapping[str, dict[str, Any]]) -> bool:
    """Return whether commits that a later one makes durable may not wait for the disk; false by default.

    Raises:
        ImproperlyConfigured: they may, with databases on several servers. Only within one server's log does a commit
            that waits make durable what was committed before it.
    """
    if not _is_on(env.get("DATABASE_ASYNCHRONOUS_COMMIT", "")):
        return False
    servers = {(database["HOST"], database["PORT"] or 5432) for database in databases.values()}
    if len(servers) > 1:
        raise ImproperlyConfigured(
            "DATABASE_ASYNCHRONOUS_COMMIT needs every context on one PostgreSQL server; leave it unset, or give no "
            "context a server of its own."
        )
    return True


def _parse(url: str, *, variable: str) -> dict[str, Any]:
    advice = f"{variable} must look like postgresql://user:password@host:5432/name"
    try:
        parsed: dict[str, Any] = Env.db_url_config(url, engine=ENGINE)
    except Exception:  # noqa: BLE001  # whatever the parser trips over, the variable is at fault
        # The cause may quote the URL, so it is left out: a settings error ends up in logs.
        raise ImproperlyConfigured(f"{advice}; percent-encode special characters of the password.") from None
    if url.partition("://")[0] not in Env.POSTGRES_FAMILY or not parsed["NAME"]:
        raise ImproperlyConfigured(f"{advice}.")
    return parsed | {"OPTIONS": parsed.get("OPTIONS", {})}


def _connection_policy(env: Mapping[str, str]) -> dict[str, Any]:
    pooled = _pool_max(env) is not None
    return {
        # The pool keeps connections itself, and Django refuses both at once.
        "CONN_MAX_AGE": 0 if pooled else _whole_number(env, "DATABASE_CONN_MAX_AGE", default=600),
        "CONN_HEALTH_CHECKS": True,
        # A pooler hands out another server connection for each transaction; a server-side cursor outlives one.
        "DISABLE_SERVER_SIDE_CURSORS": _search_path(env) == "role",
    }


def _options(env: Mapping[str, str]) -> dict[str, Any]:
    role = env.get("SHOP_ROLE", "")
    options: dict[str, Any] = {
        "search_path": _search_path(env),
        "application_name": f"shop-{role}" if role else "shop",
        "connect_timeout": _whole_number(env, "DATABASE_CONNECT_TIMEOUT_SECONDS", default=5),
        # Notice a database that vanished without closing its connections within a minute, not within two hours.
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        # And within this time where something was sent that the other side's network never acknowledged.
        "tcp_user_timeout": 1000 * _whole_number(env, "DATABASE_TCP_USER_TIMEOUT_SECONDS", default=10),
    }
    if _search_path(env) == "connection":
        options["options"] = " ".join(f"-c {name}={seconds}s" for name, seconds in _timeouts(env).items())
    if (pool_max := _pool_max(env)) is not None:
        options["pool"] = _pool(env, pool_max)
    return options


def _pool(env: Mapping[str, str], pool_max: int) -> dict[str, Any]:
    statement_timeout = _timeouts(env)["statement_timeout"]
    return {
        # The pool grows by one connection at a time: in a rush on a new process the last waits for all before it.
        "min_size": max(1, pool_max // 2),
        "max_size": pool_max,
        "timeout": _whole_number(env, "DATABASE_POOL_WAIT_SECONDS", default=1),
        # A thread that finds no connection asks for a new one; while an attempt backs off, none does. By default an
        # attempt backs off up to five minutes, so that an outage lasts twice as long as it did.
        "reconnect_timeout": RECONNECT_SECONDS,
        # PostgreSQL ends a slow statement itself; one that hangs answers nothing, not even that.
        "answer_seconds": statement_timeout + ANSWER_GRACE_SECONDS if statement_timeout else None,
    }


def _timeouts(env: Mapping[str, str]) -> dict[str, int]:
    return {
        "statement_timeout": _whole_number(env, "DATABASE_STATEMENT_TIMEOUT_SECONDS", default=15),
        "lock_timeout": _whole_number(env, "DATABASE_LOCK_TIMEOUT_SECONDS", default=10),
        "idle_in_transaction_session_timeout": _whole_number(
            env, "DATABASE_IDLE_IN_TRANSACTION_TIMEOUT_SECONDS", default=30
        ),
    }


def _pool_max(env: Mapping[str, str]) -> int | None:
    # Celery closes the pool around every task, so only web processes gain by one.
    if env.get("SHOP_ROLE") != "web" or not env.get("DATABASE_POOL_MAX"):
        return None
    return _whole_number(env, "DATABASE_POOL_MAX", default=0) or None


def _search_path(env: Mapping[str, str]) -> str:
    chosen = env.get("DATABASE_SEARCH_PATH") or "connection"
    if chosen not in ("connection", "role"):
        raise ImproperlyConfigured(f"DATABASE_SEARCH_PATH must be 'connection' or 'role', not {chosen!r}.")
    return chosen


def _is_on(text: str) -> bool:
    return text.strip().lower() in Env.BOOLEAN_TRUE_STRINGS


def _whole_number(env: Mapping[str, str], variable: str, *, default: int) -> int:
    text = env.get(variable) or str(default)
    if not text.isdecimal():
        raise ImproperlyConfigured(f"{variable} must be a whole number, 0 or more, not {text!r}.")
    return int(text)


def _refuse_shared_database(alias: str, databases: Mapping[str, dict[str, Any]], variables: Mapping[str, str]) -> None:
    # Two aliases share django_migrations then: what one alias skipped counts as applied for the other.
    def place(name: str) -> tuple[Any, ...]:
        database = databases[name]
        return database["HOST"], database["PORT"] or 5432, database["NAME"]

    for other in databases:
        if other != alias and place(other) == place(alias):
            raise ImproperlyConfigured(
                f"{variables[other]} and {variables[alias]} name the same database; leave one unset, and its "
                "context lives in the default database."
            )
