-- The stage over the curated bucket. Run it with a role that may create
-- integrations (ACCOUNTADMIN does).
--
-- Variables:
--   {{ database }}          name of the database
--   {{ curated_bucket }}    name of the curated bucket, an output of the stack
--   {{ storage_role_arn }}  ARN of the role that may read it, an output too
--   {{ external_id }}       a text of your own that the role's trust asks for
--
-- An account's first S3 integration needs a hand-shake: afterwards run
--     describe integration firn_curated
-- and deploy the stack again with the STORAGE_AWS_IAM_USER_ARN that it shows,
-- so that the role trusts Snowflake's user.
--
-- Sources:
--   https://docs.snowflake.com/en/user-guide/data-load-s3-config-storage-integration
--   https://docs.snowflake.com/en/sql-reference/sql/create-stage
create storage integration if not exists firn_curated
    type = external_stage
    storage_provider = 's3'
    enabled = true
    storage_aws_role_arn = '{{ storage_role_arn }}'
    storage_aws_external_id = '{{ external_id }}'
    storage_allowed_locations = ('s3://{{ curated_bucket }}/');

-- COPY appends file names to the URL as they are: it must end in a slash.
create stage if not exists {{ database }}.raw.curated
    url = 's3://{{ curated_bucket }}/'
    storage_integration = firn_curated
    comment = 'What transforms write.';

-- USAGE on an external stage includes reading it. The stage's owner holds the
-- integration, so the loader needs no grant on that.
grant usage on stage {{ database }}.raw.curated to role firn_loader;
