-- The stage over the curated bucket, and the format of its files. Run this
-- script as ACCOUNTADMIN, or with a role that may create integrations.
--
-- An account's first S3 integration needs a second step. After this script run
--     describe integration firn_curated
-- and deploy the stack again with the shown STORAGE_AWS_IAM_USER_ARN. The
-- stack's storage role then trusts Snowflake's user.
--
-- Variables:
--   database          name of the database
--   curated_bucket    name of the curated bucket, an output of the stack
--   storage_role_arn  ARN of the role that may read the curated bucket, an
--                     output of the stack
--   external_id       a text of your choice, required by the role's trust
--                     policy
--
-- Sources:
--   https://docs.snowflake.com/en/user-guide/data-load-s3-config-storage-integration
--   https://docs.snowflake.com/en/sql-reference/sql/create-stage
--   https://docs.snowflake.com/en/sql-reference/sql/create-file-format
create storage integration if not exists firn_curated
    type = external_stage
    storage_provider = 's3'
    enabled = true
    storage_aws_role_arn = '{{ storage_role_arn }}'
    storage_aws_external_id = '{{ external_id }}'
    storage_allowed_locations = ('s3://{{ curated_bucket }}/')
    comment = 'Snowflake''s access to the curated bucket.';

-- The owner of the stage must hold its integration.
grant usage on integration firn_curated to role firn_admin;

-- For people who query a file. The loader's COPY has the same options of its
-- own, so a change of this format doesn't change a load.
create file format if not exists {{ database }}.raw.parquet
    type = parquet
    use_vectorized_scanner = true
    null_if = ()
    comment = 'The files that transforms write.';

-- The URL must end in a slash: COPY appends file names without a separator.
create stage if not exists {{ database }}.raw.curated
    url = 's3://{{ curated_bucket }}/'
    storage_integration = firn_curated
    file_format = (format_name = '{{ database }}.raw.parquet')
    comment = 'The curated bucket.';

grant ownership on file format {{ database }}.raw.parquet
    to role firn_admin copy current grants;
grant ownership on stage {{ database }}.raw.curated
    to role firn_admin copy current grants;
