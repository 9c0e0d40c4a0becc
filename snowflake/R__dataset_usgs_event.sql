-- The tables of usgs.event, from datasets/usgs/event/contract.odcs.yaml.
-- Written by internal/snowflake/ddl: change the contract, then go generate.

create table if not exists raw.usgs_event (
    id varchar
        comment 'The event''s preferred identifier: the network code and its own code.',
    mag float
        comment 'Magnitude of the event, on the scale that mag_type names.',
    place varchar
        comment 'Where it happened, in words: distance and direction from a named place.',
    time number(38, 0)
        comment 'When it happened, in milliseconds since 1970-01-01T00:00:00Z.',
    updated number(38, 0)
        comment 'When the report last changed, in milliseconds since 1970-01-01T00:00:00Z.',
    tz number(38, 0)
        comment 'Offset from UTC at the place, in minutes. Newer reports leave it out.',
    url varchar
        comment 'The event''s page for people.',
    detail varchar
        comment 'The address of the event''s full report.',
    felt number(38, 0)
        comment 'How many people reported that they felt it.',
    cdi float
        comment 'Greatest intensity that people reported, 0 to 12.',
    mmi float
        comment 'Greatest intensity that instruments estimate, 0 to 12.',
    alert varchar
        comment 'The PAGER alert level, which estimates deaths and losses.',
    status varchar
        comment 'Whether a person reviewed the report.',
    tsunami number(38, 0)
        comment '1 for a large event in an oceanic region, else 0; no forecast of a wave.',
    sig number(38, 0)
        comment 'How significant the event is; larger is more.',
    net varchar
        comment 'The network whose data are preferred.',
    code varchar
        comment 'The event''s code in that network.',
    ids varchar
        comment 'All identifiers of the event, with a comma before and after each.',
    sources varchar
        comment 'All networks that contributed, with a comma before and after each.',
    types varchar
        comment 'The kinds of products about the event, with a comma before and after each.',
    nst number(38, 0)
        comment 'How many stations were used to locate it.',
    dmin float
        comment 'Distance from the epicentre to the nearest station, in degrees.',
    rms float
        comment 'Root mean square of the travel time residuals, in seconds.',
    gap float
        comment 'The largest angle between neighbouring stations seen from the epicentre, in degrees.',
    mag_type varchar
        comment 'The method or scale of the magnitude, such as ml or mww.',
    type varchar
        comment 'What kind of event it was, such as earthquake or quarry blast.',
    title varchar
        comment 'Magnitude and place, in words.',
    longitude float
        comment 'Longitude of the epicentre in degrees, east positive.',
    latitude float
        comment 'Latitude of the epicentre in degrees, north positive.',
    depth float
        comment 'Depth in kilometres below the sea; negative above it.',
    record varchar
        comment 'The whole record as it came: one GeoJSON feature.',
    _firn_object varchar not null
        comment 'Id of the object that the row came from.',
    _firn_record number(38, 0) not null
        comment 'Number of the record in the object, from 1.',
    _firn_loaded_at timestamp_ltz
        comment 'When COPY began to read the row''s file.'
)
    comment = 'Earthquakes and other seismic events that the USGS reports, one row an event. Primary key, not enforced: id.';

create table if not exists raw.usgs_event_loads as
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

create table if not exists raw.usgs_event_rejects (
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
    comment = 'Rows of usgs.event that broke the contract.';
