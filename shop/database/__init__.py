"""Django's PostgreSQL engine with a schema per context: `ENGINE = "shop.database"`.

Each process of the web server shares a pool of connections per database (pool.py), tables are created in the schema of
their context (schema.py) and found by the search path (base.py), and each model is read and written on the alias of its
context (router.py). Which databases there are is configuration: config/databases.py.
"""
