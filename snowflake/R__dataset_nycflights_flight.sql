-- The tables of nycflights.flight, from datasets/nycflights/flight/contract.odcs.yaml.
-- Written by internal/snowflake/ddl: change the contract, then go generate.

create table if not exists raw.nycflights_flight (
    year number(38, 0)
        comment 'Year of the departure, local time.',
    month number(38, 0)
        comment 'Month of the departure, local time.',
    day number(38, 0)
        comment 'Day of the month of the departure, local time.',
    dep_time number(38, 0)
        comment 'When it departed, hour times 100 plus minute, local time. None if it was cancelled.',
    sched_dep_time number(38, 0)
        comment 'When it was to depart, hour times 100 plus minute, local time.',
    dep_delay number(38, 0)
        comment 'Minutes that it departed late; negative if early.',
    arr_time number(38, 0)
        comment 'When it arrived, hour times 100 plus minute, local time. None if it didn''t.',
    sched_arr_time number(38, 0)
        comment 'When it was to arrive, hour times 100 plus minute, local time.',
    arr_delay number(38, 0)
        comment 'Minutes that it arrived late; negative if early. None if it was diverted or cancelled.',
    carrier varchar
        comment 'The carrier''s two-character IATA code.',
    flight number(38, 0)
        comment 'The carrier''s flight number.',
    tailnum varchar
        comment 'The aircraft''s tail number. None for some cancelled flights.',
    origin varchar
        comment 'The FAA code of the airport that it left.',
    dest varchar
        comment 'The FAA code of the airport that it flew to.',
    air_time number(38, 0)
        comment 'Minutes in the air.',
    distance number(38, 0)
        comment 'Miles between the two airports.',
    hour number(38, 0)
        comment 'Hour of the scheduled departure, local time.',
    minute number(38, 0)
        comment 'Minute of the scheduled departure.',
    time_hour timestamp_ltz
        comment 'The hour of the scheduled departure, in UTC.',
    _firn_object varchar not null
        comment 'Id of the object that the row came from.',
    _firn_record number(38, 0) not null
        comment 'Number of the record in the object, from 1.',
    _firn_loaded_at timestamp_ltz
        comment 'When COPY began to read the row''s file.'
)
    comment = 'Departures from New York''s three airports, one row a flight, cancelled ones too. Primary key, not enforced: time_hour, carrier, flight.';

create table if not exists raw.nycflights_flight_loads as
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

create table if not exists raw.nycflights_flight_rejects (
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
    comment = 'Rows of nycflights.flight that broke the contract.';
