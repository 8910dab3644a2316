import pytest
from django.core.exceptions import ImproperlyConfigured

from config.databases import asynchronous_commit_from_env, databases_from_env

URL = "postgresql://shop:se%40cret@db.example:6432/shop"


def databases(**env: str) -> dict[str, dict]:
    return databases_from_env({"DATABASE_URL": URL, **env})


def test_url_becomes_the_default_database() -> None:
    default = databases()["default"]

    assert default["ENGINE"] == "shop.database"
    assert (default["HOST"], default["PORT"], default["NAME"]) == ("db.example", 6432, "shop")
    assert (default["USER"], default["PASSWORD"]) == ("shop", "se@cret")


def test_one_url_means_one_alias() -> None:
    assert list(databases()) == ["default"]


def test_context_with_url_gets_an_alias_after_default() -> None:
    found = databases(PAYMENTS_DATABASE_URL="postgres://h/pay", ORDERS_DATABASE_URL="postgres://h/ord")

    assert list(found) == ["default", "orders", "payments"]
    assert found["payments"]["NAME"] == "pay"


def test_empty_url_of_a_context_is_an_unset_one() -> None:
    assert list(databases(ORDERS_DATABASE_URL="")) == ["default"]


@pytest.mark.parametrize("env", [{}, {"DATABASE_URL": ""}])
def test_without_url_the_default_database_is_what_the_settings_say_otherwise(env: dict[str, str]) -> None:
    otherwise = databases_from_env(env, otherwise="postgresql://shop:pw@127.0.0.1:23456/shop")

    assert (otherwise["default"]["HOST"], otherwise["default"]["PORT"]) == ("127.0.0.1", 23456)
    assert databases_from_env(env) == {}, "nothing is made up"


def test_url_is_stronger_than_what_the_settings_say_otherwise() -> None:
    assert databases_from_env({"DATABASE_URL": URL}, otherwise="postgresql://h/other")["default"]["NAME"] == "shop"


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///db.sqlite3",
        "mysql://shop:hush-hush@host/shop",
        "postgresql://shop:hush-hush@host",
        "postgresql://shop:hush-hush@host/",
        "postgresql://shop:hush-hush@host:port/shop",
        "postgresql://shop:hush-hush#@host:5432:1/shop",
        "shop:hush-hush@host/shop",
        "hush-hush",
    ],
)
@pytest.mark.parametrize("variable", ["DATABASE_URL", "INVENTORY_DATABASE_URL"])
def test_bad_url_names_its_variable_and_hides_the_password(url: str, variable: str) -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        databases(**{variable: url})

    assert str(caught.value).startswith(f"{variable} must look like postgresql://")
    assert "hush-hush" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_two_aliases_on_one_database_are_refused() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"DATABASE_URL.* name the same database"):
        databases(ORDERS_DATABASE_URL=URL.replace("//shop:", "//other:"))


def test_default_port_counts_when_databases_are_told_apart() -> None:
    with pytest.raises(ImproperlyConfigured, match="same database"):
        databases_from_env({"DATABASE_URL": "postgres://h/shop", "ORDERS_DATABASE_URL": "postgres://h:5432/shop"})


def test_connections_are_kept_and_checked() -> None:
    assert databases()["default"]["CONN_MAX_AGE"] == 600
    assert databases(DATABASE_CONN_MAX_AGE="5")["default"]["CONN_MAX_AGE"] == 5
    assert databases()["default"]["CONN_HEALTH_CHECKS"] is True


def test_timeouts_are_server_options() -> None:
    assert databases()["default"]["OPTIONS"]["options"] == (
        "-c statement_timeout=15s -c lock_timeout=10s -c idle_in_transaction_session_timeout=30s"
    )


def test_timeouts_can_be_set() -> None:
    options = databases(
        DATABASE_STATEMENT_TIMEOUT_SECONDS="1",
        DATABASE_LOCK_TIMEOUT_SECONDS="2",
        DATABASE_IDLE_IN_TRANSACTION_TIMEOUT_SECONDS="3",
    )["default"]["OPTIONS"]["options"]

    assert options == "-c statement_timeout=1s -c lock_timeout=2s -c idle_in_transaction_session_timeout=3s"


def test_every_alias_has_the_options() -> None:
    found = databases(ORDERS_DATABASE_URL="postgres://h/ord")

    assert found["orders"]["OPTIONS"] == found["default"]["OPTIONS"]


def test_url_query_wins_over_the_defaults() -> None:
    options = databases_from_env({"DATABASE_URL": f"{URL}?sslmode=require&connect_timeout=2"})["default"]["OPTIONS"]

    assert options["sslmode"] == "require"
    assert options["connect_timeout"] == 2


@pytest.mark.parametrize(("role", "name"), [("", "shop"), ("worker", "shop-worker")])
def test_connection_is_named_for_the_role_of_the_process(role: str, name: str) -> None:
    assert databases(SHOP_ROLE=role)["default"]["OPTIONS"]["application_name"] == name


def test_web_process_may_have_a_pool() -> None:
    default = databases(SHOP_ROLE="web", DATABASE_POOL_MAX="8")["default"]

    assert default["OPTIONS"]["pool"]["max_size"] == 8
    assert default["CONN_MAX_AGE"] == 0


@pytest.mark.parametrize("env", [{"SHOP_ROLE": "worker", "DATABASE_POOL_MAX": "8"}, {"SHOP_ROLE": "web"}])
def test_others_have_no_pool(env: dict[str, str]) -> None:
    default = databases(**env)["default"]

    assert "pool" not in default["OPTIONS"]
    assert default["CONN_MAX_AGE"] == 600


def test_search_path_of_the_role_sends_no_startup_options() -> None:
    default = databases(DATABASE_SEARCH_PATH="role")["default"]

    assert default["OPTIONS"]["search_path"] == "role"
    assert "options" not in default["OPTIONS"]
    assert default["DISABLE_SERVER_SIDE_CURSORS"] is True


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DATABASE_SEARCH_PATH", "both"),
        ("DATABASE_CONN_MAX_AGE", "ten"),
        ("DATABASE_STATEMENT_TIMEOUT_SECONDS", "-1"),
        ("DATABASE_LOCK_TIMEOUT_SECONDS", "1.5"),
    ],
)
def test_bad_value_names_its_variable(variable: str, value: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=variable):
        databases(**{variable: value})


def test_bad_pool_size_names_its_variable() -> None:
    with pytest.raises(ImproperlyConfigured, match="DATABASE_POOL_MAX"):
        databases(SHOP_ROLE="web", DATABASE_POOL_MAX="many")


def asynchronous(**env: str) -> bool:
    env = {"DATABASE_URL": URL, **env}
    return asynchronous_commit_from_env(env, databases_from_env(env))


@pytest.mark.parametrize(("value", "allowed"), [("", False), ("false", False), ("true", True)])
def test_commits_wait_unless_the_environment_says_otherwise(value: str, allowed: bool) -> None:
    assert asynchronous(DATABASE_ASYNCHRONOUS_COMMIT=value) is allowed


def test_commits_may_be_asynchronous_with_databases_of_one_server() -> None:
    same_server = URL.replace("/shop", "/orders")

    assert asynchronous(DATABASE_ASYNCHRONOUS_COMMIT="1", ORDERS_DATABASE_URL=same_server)


def test_asynchronous_commits_are_refused_with_databases_on_several_servers() -> None:
    with pytest.raises(ImproperlyConfigured, match="one PostgreSQL server"):
        asynchronous(DATABASE_ASYNCHRONOUS_COMMIT="true", ORDERS_DATABASE_URL="postgres://elsewhere/orders")
