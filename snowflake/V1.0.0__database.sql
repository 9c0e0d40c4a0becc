-- The warehouse, the database and its schemas. raw is written by loads only,
-- staging and marts by dbt only.
--
-- Variables:
--   {{ database }}  name of the database that the stack was deployed with
--
-- The warehouse comes first: the change history's own INSERT needs one.
-- A start is billed for a minute at least, so it sleeps after one
-- (https://docs.snowflake.com/en/sql-reference/sql/create-warehouse).
create warehouse if not exists firn_load
    warehouse_size = xsmall
    auto_suspend = 60
    auto_resume = true
    initially_suspended = true
    statement_timeout_in_seconds = 900
    comment = 'Loads.';

use warehouse firn_load;

create database if not exists {{ database }}
    comment = 'Tables that firn loads, and what dbt makes of them.';

create schema if not exists {{ database }}.raw
    comment = 'Rows as they came, with the ledger of every load.';

create schema if not exists {{ database }}.staging
    comment = 'One view a raw table: renamed, cast, newest version.';

create schema if not exists {{ database }}.marts
    comment = 'Facts and dimensions.';
