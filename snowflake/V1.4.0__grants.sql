-- What each role may do, and nothing more. Run it with FIRN_ADMIN, or a role
-- that manages grants (ACCOUNTADMIN does).
--
-- Future grants are for schemas only: one for a schema switches off all of the
-- database's for that kind of object, for every role. USAGE on a warehouse
-- starts it; nobody but its owner operates it.
--
-- Variables:
--   database  name of the database
--
-- Sources:
--   https://docs.snowflake.com/en/user-guide/security-access-control-privileges
--   https://docs.snowflake.com/en/user-guide/security-access-control-configure

-- The load function: rows in and out of raw. No CREATE, no TRUNCATE. USAGE on
-- an external stage includes reading it; the integration is its owner's.
grant usage on warehouse firn_load to role firn_loader;
grant usage on database {{ database }} to role firn_loader;
grant usage on schema {{ database }}.raw to role firn_loader;
grant usage on stage {{ database }}.raw.curated to role firn_loader;
grant select, insert, update, delete
    on all tables in schema {{ database }}.raw to role firn_loader;
grant select, insert, update, delete
    on future tables in schema {{ database }}.raw to role firn_loader;

-- dbt: reads raw, makes tables and views of its own.
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

-- People and their tools: marts and ops, to read.
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
