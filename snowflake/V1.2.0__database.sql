-- The database and its schemas, owned by FIRN_ADMIN. Run it with a role that
-- may create databases and grant on the account (ACCOUNTADMIN does).
--
-- Whatever role runs these scripts: FIRN_ADMIN owns what is made in raw and ops
-- later, by the grants of future ownership. In a schema with managed access
-- the owner of a table can't grant on it, only the schema's owner can: what the
-- grants script says is all that there is.
--
-- Variables:
--   database        name of the database that the stack was deployed with
--   retention_days  days that rows can be read as they were (Time Travel);
--                   defaults to 1, the most that Standard Edition has
--
-- Sources:
--   https://docs.snowflake.com/en/user-guide/data-time-travel
--   https://docs.snowflake.com/en/user-guide/security-access-control-configure
--   https://docs.snowflake.com/en/sql-reference/sql/grant-ownership
create database if not exists {{ database }};

-- firn migrate made the database and ops before this, for its history.
alter database {{ database }} set
    data_retention_time_in_days = {{ retention_days | default('1') }}
    comment = 'Tables that firn loads, and what dbt makes of them.';

create schema if not exists {{ database }}.raw with managed access
    comment = 'Rows as they came, with the ledger of every load.';

create schema if not exists {{ database }}.staging with managed access
    comment = 'One view a raw table: renamed, cast, newest version.';

create schema if not exists {{ database }}.marts with managed access
    comment = 'Facts and dimensions.';

create schema if not exists {{ database }}.ops with managed access;

alter schema {{ database }}.ops enable managed access;

alter schema {{ database }}.ops set
    comment = 'What was loaded, when, at what cost; what migrations ran.';

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
