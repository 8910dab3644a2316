"""The PostgreSQL server that the tests make databases on."""

from urllib.parse import urlsplit

import psycopg
from psycopg import sql


class Server:
    """The PostgreSQL server that the tests make databases on."""

    def __init__(self, url: str) -> None:
        self.url = url

    def execute(self, statement: sql.SQL | sql.Composed | str, database: str = "postgres") -> list[tuple]:
        with psycopg.connect(self.url_of(database), autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def url_of(self, database: str, user: str | None = None) -> str:
        parts = urlsplit(self.url)
        location = parts.netloc if user is None else f"{user}@{parts.netloc.rpartition('@')[2]}"
        return parts._replace(netloc=location, path=f"/{database}").geturl()
