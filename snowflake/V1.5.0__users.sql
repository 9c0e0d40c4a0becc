-- The service users. A service user has no password and, unlike other users,
-- no secondary roles. Run this script as ACCOUNTADMIN, or with a role that may
-- create users.
--
-- The load function logs in by its AWS role, without a secret. The user can
-- also have a key pair; this script sets none, and the user's owner can add
-- one. dbt's user can't log in until the owner binds the user to an AWS role
-- or a key pair (docs/deploying.md).
--
-- A session without a QUERY_TAG has its user's tag, so that costs can be
-- separated. The loader's sessions have a tag with dataset and load.
--
-- Variables:
--   loader_role_arn  ARN of the load function's role, an output of the
--                    stack: arn:aws:iam::<account>:role/<name>
--
-- Sources:
--   https://docs.snowflake.com/en/sql-reference/sql/create-user
--   https://docs.snowflake.com/en/user-guide/workload-identity-federation
--   https://docs.snowflake.com/en/user-guide/key-pair-auth
create user if not exists firn_loader
    type = service
    workload_identity = (type = aws arn = '{{ loader_role_arn }}')
    default_role = firn_loader
    default_warehouse = firn_load
    default_secondary_roles = ()
    query_tag = 'firn load'
    comment = 'The load function.';

create user if not exists firn_transformer
    type = service
    default_role = firn_transformer
    default_warehouse = firn_transform
    default_secondary_roles = ()
    query_tag = 'firn dbt'
    comment = 'dbt.';

grant role firn_loader to user firn_loader;
grant role firn_transformer to user firn_transformer;

grant ownership on user firn_loader
    to role firn_admin copy current grants;
grant ownership on user firn_transformer
    to role firn_admin copy current grants;
