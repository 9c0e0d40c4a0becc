-- The tables of station.event, from datasets/station/event/contract.odcs.yaml.
-- Written by internal/snowflake/ddl: change the contract, then go generate.

create table if not exists raw.station_event (
    id varchar
        comment 'The event''s identifier.',
    mag float
        comment 'The magnitude.',
    place varchar
        comment 'The place in words.',
    time number(38, 0)
        comment 'The time of the event, in milliseconds since 1970-01-01T00:00:00Z.',
    updated number(38, 0)
        comment 'The time of the last change, in milliseconds since 1970-01-01T00:00:00Z.',
    status varchar
        comment 'Whether a person reviewed the event.',
    net varchar
        comment 'The network of stations.',
    type varchar
        comment 'The kind of event.',
    longitude float
        comment 'The longitude in degrees, east positive.',
    latitude float
        comment 'The latitude in degrees, north positive.',
    depth float
        comment 'The depth in kilometres.',
    record varchar
        comment 'The whole record as one GeoJSON feature.',
    _firn_object varchar not null
        comment 'Id of the object that the row came from.',
    _firn_record number(38, 0) not null
        comment 'Number of the record in the object, from 1.',
    _firn_loaded_at timestamp_ltz
        comment 'When COPY began to read the row''s file.'
)
    comment = 'Events that made-up stations report, one row an event and change. Primary key, not enforced: id.';

create table if not exists raw.station_event_loads as
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

create table if not exists raw.station_event_rejects (
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
    comment = 'Rows of station.event that broke the contract.';
