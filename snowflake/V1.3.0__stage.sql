-- The stage over the curated bucket, and the format of its files. Run it with a
-- role that may create integrations (ACCOUNTADMIN does).
--
-- An account's first S3 integration needs a hand-shake: afterwards run
--     describe integration firn_curated
-- and deploy the stack again with the STORAGE_AWS_IAM_USER_ARN that it shows,
-- so that the role trusts Snowflake's user.
--
-- Variables:
--   database          name of the database
--   curated_bucket    name of the curated bucket, an output of the stack
--   storage_role_arn  ARN of the role that may read it, an output too
--   external_id       a text of your own that the role's trust asks for
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
    comment = 'How Snowflake reads what transforms write.';

-- The owner of the stage must hold its integration.
grant usage on integration firn_curated to role firn_admin;

-- For people who look into a file. The loader's COPY names the same options
-- itself, so that no change here changes what is loaded.
create file format if not exists {{ database }}.raw.parquet
    type = parquet
    use_vectorized_scanner = true
    null_if = ()
    comment = 'The files that transforms write.';

-- COPY appends file names to the URL as they are: it must end in a slash.
create stage if not exists {{ database }}.raw.curated
    url = 's3://{{ curated_bucket }}/'
    storage_integration = firn_curated
    file_format = (format_name = '{{ database }}.raw.parquet')
    comment = 'What transforms write.';

grant ownership on file format {{ database }}.raw.parquet
    to role firn_admin copy current grants;
grant ownership on stage {{ database }}.raw.curated
    to role firn_admin copy current grants;
