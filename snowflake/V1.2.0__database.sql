-- The database and its schemas, owned by FIRN_ADMIN. Run this script as
-- ACCOUNTADMIN, or with a role that may create databases and grant on the
-- account.
--
-- FIRN_ADMIN owns all later tables and views in raw and ops, by the grants of
-- future ownership, under every role that runs these scripts. In a schema with
-- managed access only the schema's owner can grant on a table, and not the
-- table's owner. The grants script therefore has every grant.
--
-- Variables:
--   database        name of the database in the stack's settings
--   retention_days  number of days for which earlier states of rows can be
--                   read (Time Travel); defaults to 1, the maximum of
--                   Standard Edition
--
-- Sources:
--   https://docs.snowflake.com/en/user-guide/data-time-travel
--   https://docs.snowflake.com/en/user-guide/security-access-control-configure
--   https://docs.snowflake.com/en/sql-reference/sql/grant-ownership
create database if not exists {{ database }};

-- firn migrate has already created the database and ops, for the history.
alter database {{ database }} set
    data_retention_time_in_days = {{ retention_days | default('1') }}
    comment = 'Tables that firn loads, and dbt''s tables and views.';

create schema if not exists {{ database }}.raw with managed access
    comment = 'Loaded rows, with the ledger of every load.';

create schema if not exists {{ database }}.staging with managed access
    comment = 'A view per raw table: renamed, cast, newest version.';

create schema if not exists {{ database }}.marts with managed access
    comment = 'Facts and dimensions.';

create schema if not exists {{ database }}.ops with managed access;

alter schema {{ database }}.ops enable managed access;

alter schema {{ database }}.ops set
    comment = 'Loads, their times and costs; the history of migrations.';

grant ownership on database {{ database }}
    to role firn_admin copy current grants;
grant ownership on schema {{ database }}.raw
    to role firn_admin copy current grants;
grant ownership on schema {{ database }}.staging
    to role firn_admin copy current grants;
grant ownership on schema {{ database }}.marts
    to role firn_admin copy current grants;
grant ownership on schema {{ database }}.ops
    to role firn_admin copy current grants;

grant ownership on all tables in schema {{ database }}.ops
    to role firn_admin copy current grants;
grant ownership on future tables in schema {{ database }}.ops
    to role firn_admin;
grant ownership on future views in schema {{ database }}.ops
    to role firn_admin;
grant ownership on future tables in schema {{ database }}.raw
    to role firn_admin;
grant ownership on future views in schema {{ database }}.raw
    to role firn_admin;
