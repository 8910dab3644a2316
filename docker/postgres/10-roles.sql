-- Run once by the image, as superuser, in the new database; as well by a DBA, once, on a managed PostgreSQL:
--
--   SHOP_OWNER_PASSWORD=... SHOP_PASSWORD=... SHOP_READER_PASSWORD=... psql -v ON_ERROR_STOP=1 -d shop -f 10-roles.sql
--
--   shop_owner                owns every schema and table; migrations connect as it
--   shop                      what web, worker and beat connect as: reads and writes rows, alters no table
--   shop_reader               reads; for reports and Grafana. Rows hold addresses and emails: grant it sparingly
--   shop_<context>            may write one context's schema; no login. A context that gets a process of its own gets a
--                             login that is a member of its one role, and can then touch nothing else
\set ON_ERROR_STOP on
\getenv owner_password SHOP_OWNER_PASSWORD
\getenv app_password SHOP_PASSWORD
\getenv reader_password SHOP_READER_PASSWORD

CREATE ROLE shop_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE shop LOGIN PASSWORD :'app_password';
CREATE ROLE shop_reader LOGIN PASSWORD :'reader_password';

SELECT current_database() AS database \gset
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"database" TO shop_owner, shop, shop_reader;
GRANT CREATE ON DATABASE :"database" TO shop_owner;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO shop_owner;

-- One schema per context, the kernel's own, and `public` for Django's apps. Each has a group role that may write it.
CREATE TEMP TABLE schemas (name text PRIMARY KEY, role text NOT NULL);
INSERT INTO schemas
SELECT name, CASE name WHEN 'public' THEN 'shop_public' WHEN 'shop' THEN 'shop_kernel' ELSE 'shop_' || name END
FROM unnest(ARRAY['public', 'shop', 'orders', 'inventory', 'payments', 'shipping', 'notifications']) AS name;

SELECT format('CREATE ROLE %I NOLOGIN', role) FROM schemas \gexec
SELECT format('CREATE SCHEMA %I AUTHORIZATION shop_owner', name) FROM schemas WHERE name <> 'public' \gexec
SELECT format('GRANT USAGE ON SCHEMA %I TO %I, shop_reader', name, role) FROM schemas \gexec
SELECT format('GRANT %I TO shop', role) FROM schemas \gexec

-- Tables come later, by migrations; these make each new one usable at once.
SELECT format(
    'ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner IN SCHEMA %I GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO %I',
    name, role) FROM schemas \gexec
SELECT format('ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner IN SCHEMA %I GRANT USAGE, SELECT ON SEQUENCES TO %I',
    name, role) FROM schemas \gexec
SELECT format('ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner IN SCHEMA %I GRANT SELECT ON TABLES TO shop_reader',
    name) FROM schemas \gexec
DROP TABLE schemas;

-- What a connection through PgBouncer can't ask for itself (docs/deployment.md).
ALTER ROLE shop_owner SET search_path = public, shop, orders, inventory, payments, shipping, notifications;
ALTER ROLE shop SET search_path = public, shop, orders, inventory, payments, shipping, notifications;
ALTER ROLE shop_reader SET search_path = public, shop, orders, inventory, payments, shipping, notifications;
ALTER ROLE shop SET statement_timeout = '15s';
ALTER ROLE shop SET lock_timeout = '10s';
ALTER ROLE shop SET idle_in_transaction_session_timeout = '30s';
ALTER ROLE shop_reader SET default_transaction_read_only = on;
ALTER ROLE shop_reader SET statement_timeout = '60s';
