{% set columns = [
    'object', 'generation', 'load_id', 'bucket', 'key', 'version', 'etag',
    'sequencer', 'size', 'contract', 'engine', 'attempt', 'content_hash',
    'files', 'rows_read', 'rows_written', 'rows_rejected', 'rows_loaded',
    'copy_query_id', 'rejects_query_id', 'transformed_at', 'started_at',
    'loaded_at', 'bytes', 'transform_started_at', 'duplicate_of',
    'withdrawn_at',
] %}

with

source as (

    {{ of_all_datasets('loads', columns) }}

),

renamed as (

    select
        ---------- ids
        dataset,
        object as object_id,
        generation,
        load_id,
        copy_query_id,
        rejects_query_id,

        ---------- the object
        bucket,
        key as object_key,
        version as version_id,
        etag,
        sequencer,
        size as size_bytes,

        ---------- the transform
        contract as contract_version,
        engine,
        attempt as attempt_id,
        content_hash,
        duplicate_of as duplicate_of_object_id,
        files as file_count,
        bytes as file_bytes,

        ---------- rows
        rows_read,
        rows_written,
        rows_rejected,
        rows_loaded,

        ---------- timestamps
        transform_started_at,
        transformed_at,
        started_at,
        loaded_at

    from source
    -- The lock row isn't an object, and a withdrawn object has no rows.
    where object <> '~lock' and withdrawn_at is null

)

select * from renamed
