-- The tables of shop.customer, from datasets/shop/customer/contract.odcs.yaml.
-- Written by internal/snowflake/ddl: change the contract, then go generate.

create table if not exists raw.shop_customer (
    code varchar
        comment 'The customer''s code.',
    name varchar
        comment 'The customer''s name.',
    _firn_object varchar not null
        comment 'Id of the object that the row came from.',
    _firn_record number(38, 0) not null
        comment 'Number of the record in the object, from 1.',
    _firn_loaded_at timestamp_ltz
        comment 'When COPY began to read the row''s file.'
)
    comment = 'The customers of a made-up shop, one row a customer. Primary key, not enforced: code.';

create table if not exists raw.shop_customer_loads as
select
    '~lock'::varchar as object,
    0::number(38, 0) as generation,
    null::varchar as load_id,
    null::varchar as bucket,
    null::varchar as key,
    null::varchar as version,
    null::varchar as etag,
    null::varchar as sequencer,
    null::number(38, 0) as size,
    '1.0.0'::varchar as contract,
    null::varchar as engine,
    null::varchar as attempt,
    null::varchar as content_hash,
    null::number(38, 0) as files,
    null::number(38, 0) as rows_read,
    null::number(38, 0) as rows_written,
    null::number(38, 0) as rows_rejected,
    null::number(38, 0) as rows_loaded,
    null::varchar as copy_query_id,
    null::varchar as rejects_query_id,
    null::timestamp_ltz as transformed_at,
    null::timestamp_ltz as started_at,
    null::timestamp_ltz as loaded_at,
    null::number(38, 0) as bytes,
    null::timestamp_ltz as transform_started_at,
    null::varchar as duplicate_of,
    0::number(38, 0) as seq,
    false::boolean as paused;

create table if not exists raw.shop_customer_rejects (
    _firn_object varchar not null
        comment 'Id of the object that the row came from.',
    _firn_record number(38, 0) not null
        comment 'Number of the record in the object, from 1.',
    line number(38, 0)
        comment 'Line of the file on which the record begins, from 1; null if the engine counts none.',
    rule varchar
        comment 'The rule that the row breaks.',
    raw varchar
        comment 'The record as it stood in the file.',
    _firn_loaded_at timestamp_ltz
        comment 'When COPY began to read the row''s file.'
)
    comment = 'Rows of shop.customer that broke the contract.';
