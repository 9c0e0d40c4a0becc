-- The roles and the loader's user. Run it with a role that may
-- create users and roles and grant on the account (ACCOUNTADMIN does).
--
-- Variables:
--   {{ database }}         name of the database
--   {{ loader_role_arn }}  ARN of the load function's role, an output of the
--                          stack: arn:aws:iam::<account>:role/<name>
--
-- Sources:
--   https://docs.snowflake.com/en/sql-reference/sql/create-user
--   https://docs.snowflake.com/en/user-guide/workload-identity-federation
--   https://docs.snowflake.com/en/user-guide/security-access-control-privileges

create role if not exists firn_loader
    comment = 'Loads files into raw; creates and drops nothing.';

create role if not exists firn_transformer
    comment = 'dbt: reads raw, owns staging and marts.';

grant role firn_loader to role sysadmin;
grant role firn_transformer to role sysadmin;

-- The function proves that it runs under this role: there is no secret.
create user if not exists firn_loader
    type = service
    workload_identity = (type = aws arn = '{{ loader_role_arn }}')
    default_role = firn_loader
    default_warehouse = firn_load
    default_secondary_roles = ()
    comment = 'The load function.';

grant role firn_loader to user firn_loader;

grant usage on warehouse firn_load to role firn_loader;
grant usage on database {{ database }} to role firn_loader;
grant usage on schema {{ database }}.raw to role firn_loader;
grant select, insert, update, delete on all tables in schema {{ database }}.raw to role firn_loader;
grant select, insert, update, delete on future tables in schema {{ database }}.raw to role firn_loader;

grant usage on warehouse firn_load to role firn_transformer;
grant usage on database {{ database }} to role firn_transformer;
grant usage on schema {{ database }}.raw to role firn_transformer;
grant select on all tables in schema {{ database }}.raw to role firn_transformer;
grant select on future tables in schema {{ database }}.raw to role firn_transformer;
grant all on schema {{ database }}.staging to role firn_transformer;
grant all on schema {{ database }}.marts to role firn_transformer;
