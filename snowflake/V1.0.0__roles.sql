-- The roles that work with firn in Snowflake. Run this script as ACCOUNTADMIN,
-- or with a role that may create roles and grant the role usage_viewer of the
-- database snowflake.
--
-- FIRN_ADMIN owns the database, its schemas, all tables and views in raw and
-- ops, the warehouses and the service users. The operator's commands, such as
-- `firn migrate` and `firn pause`, run under FIRN_ADMIN. FIRN_ADMIN also has
-- the other three roles, and so sees the same objects as each of the three.
--
-- Sources:
--   https://docs.snowflake.com/en/user-guide/security-access-control-considerations
--   https://docs.snowflake.com/en/sql-reference/snowflake-db-roles
create role if not exists firn_admin
    comment = 'Owner of all firn objects: migrations, pauses, keys, costs.';

create role if not exists firn_loader
    comment = 'Loads files into raw; creates and drops nothing.';

create role if not exists firn_transformer
    comment = 'dbt: reads raw, makes staging and marts.';

create role if not exists firn_reporter
    comment = 'People and their tools: reads marts and ops.';

grant role firn_loader to role firn_admin;
grant role firn_transformer to role firn_admin;
grant role firn_reporter to role firn_admin;
grant role firn_admin to role sysadmin;

-- ops.cost_by_day reads the costs of warehouses and queries.
grant database role snowflake.usage_viewer to role firn_admin;
