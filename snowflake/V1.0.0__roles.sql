-- Who works with firn in Snowflake. Run it with a role that may create roles
-- and grants what ACCOUNTADMIN holds (ACCOUNTADMIN does).
--
-- FIRN_ADMIN owns the database, its schemas, what firn makes in raw and ops,
-- the warehouses and the service users; `firn migrate`, `firn pause` and the
-- like run under it. It has what the other three have, so that it can look
-- at what they see.
--
-- Sources:
--   https://docs.snowflake.com/en/user-guide/security-access-control-considerations
--   https://docs.snowflake.com/en/sql-reference/snowflake-db-roles
create role if not exists firn_admin
    comment = 'Owns what firn makes: migrations, pauses, keys, costs.';

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

-- ops.cost_by_day reads what warehouses and queries cost.
grant database role snowflake.usage_viewer to role firn_admin;
