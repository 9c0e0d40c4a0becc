-- All privileges of each role. Run this script as FIRN_ADMIN or ACCOUNTADMIN,
-- or with a role that manages grants.
--
-- All future grants are on schemas. A future grant on a schema would switch
-- off the database's future grants for the same type of object, for every
-- role. USAGE lets a role start a warehouse; only the warehouse's owner may
-- operate the warehouse.
--
-- Variables:
--   database  name of the database
--
-- Sources:
--   https://docs.snowflake.com/en/user-guide/security-access-control-privileges
--   https://docs.snowflake.com/en/user-guide/security-access-control-configure

-- The load function adds and deletes rows in raw. It has no CREATE and no
-- TRUNCATE. USAGE on an external stage includes the right to read files; only
-- the stage's owner needs the integration.
grant usage on warehouse firn_load to role firn_loader;
grant usage on database {{ database }} to role firn_loader;
grant usage on schema {{ database }}.raw to role firn_loader;
grant usage on stage {{ database }}.raw.curated to role firn_loader;
grant select, insert, update, delete
    on all tables in schema {{ database }}.raw to role firn_loader;
grant select, insert, update, delete
    on future tables in schema {{ database }}.raw to role firn_loader;

-- dbt reads raw, and creates its own tables and views.
grant usage on warehouse firn_transform to role firn_transformer;
grant usage on database {{ database }} to role firn_transformer;
grant usage on schema {{ database }}.raw to role firn_transformer;
grant select
    on all tables in schema {{ database }}.raw to role firn_transformer;
grant select
    on future tables in schema {{ database }}.raw to role firn_transformer;
grant select
    on all views in schema {{ database }}.raw to role firn_transformer;
grant select
    on future views in schema {{ database }}.raw to role firn_transformer;
grant usage, create table, create view
    on schema {{ database }}.staging to role firn_transformer;
grant usage, create table, create view
    on schema {{ database }}.marts to role firn_transformer;

-- People and their tools read marts and ops.
grant usage on warehouse firn_report to role firn_reporter;
grant usage on database {{ database }} to role firn_reporter;
grant usage on schema {{ database }}.marts to role firn_reporter;
grant select
    on all tables in schema {{ database }}.marts to role firn_reporter;
grant select
    on future tables in schema {{ database }}.marts to role firn_reporter;
grant select
    on all views in schema {{ database }}.marts to role firn_reporter;
grant select
    on future views in schema {{ database }}.marts to role firn_reporter;
grant usage on schema {{ database }}.ops to role firn_reporter;
grant select
    on all tables in schema {{ database }}.ops to role firn_reporter;
grant select
    on future tables in schema {{ database }}.ops to role firn_reporter;
grant select
    on all views in schema {{ database }}.ops to role firn_reporter;
grant select
    on future views in schema {{ database }}.ops to role firn_reporter;
