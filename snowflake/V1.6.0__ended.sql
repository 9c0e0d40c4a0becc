-- The table of ended rows: one row for each object version whose rows left a
-- raw table. The transaction that deletes the rows of the raw table inserts the
-- row here, so the table has every deletion by firn. Nothing updates or deletes
-- rows of this table. Run this script as FIRN_ADMIN or ACCOUNTADMIN, or with a
-- role that may create tables in ops and manages grants.
--
-- An insert locks no other transaction, so loads of all datasets share the
-- table:
--   https://docs.snowflake.com/en/sql-reference/transactions
--
-- Variables:
--   database  name of the database
create table if not exists {{ database }}.ops.ended (
    dataset varchar not null collate ''
        comment 'Source and entity, for example shop.order.',
    object varchar not null collate ''
        comment 'Id of the object.',
    bucket varchar collate ''
        comment 'Bucket of the object.',
    key varchar collate ''
        comment 'Key of the object.',
    version varchar collate ''
        comment 'Version of the key.',
    generation number(38, 0)
        comment 'Number of reloads before the load of the ended rows.',
    load_id varchar collate ''
        comment 'Load of the ended rows.',
    rows_loaded number(38, 0)
        comment 'Number of the ended rows, as in the ledger.',
    rows_rejected number(38, 0)
        comment 'Number of the ended rejects, as in the ledger.',
    loaded_at timestamp_ltz
        comment 'Time of the load of the ended rows.',
    ended_at timestamp_ltz
        comment 'Time inside the transaction that deleted the rows.',
    reason varchar collate ''
        comment 'replaced by a newer version, reloaded, or withdrawn.',
    ended_by varchar collate ''
        comment 'Load that replaced the rows, or person who withdrew the rows.',
    ended_in varchar collate ''
        comment 'Load id of the transaction that deleted the rows.',
    note varchar collate ''
        comment 'Reason of the person who withdrew the rows.'
)
    comment = 'One row for each object version whose rows left a raw table.';

grant usage on schema {{ database }}.ops to role firn_loader;
grant insert, select
    on table {{ database }}.ops.ended to role firn_loader;

-- dbt's incremental models delete the rows of ended objects.
grant usage on schema {{ database }}.ops to role firn_transformer;
grant select
    on table {{ database }}.ops.ended to role firn_transformer;
