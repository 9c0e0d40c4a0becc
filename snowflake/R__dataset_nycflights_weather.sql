-- The tables of nycflights.weather, from datasets/nycflights/weather/contract.odcs.yaml.
-- Written by internal/snowflake/ddl: change the contract, then go generate.

create table if not exists raw.nycflights_weather (
    origin varchar
        comment 'The airport''s three-letter FAA code.',
    year number(38, 0)
        comment 'Year of the observation, local time.',
    month number(38, 0)
        comment 'Month of the observation, local time.',
    day number(38, 0)
        comment 'Day of the month of the observation, local time.',
    hour number(38, 0)
        comment 'Hour of the day of the observation, local time.',
    temp float
        comment 'Air temperature in degrees Fahrenheit.',
    dewp float
        comment 'Dew point in degrees Fahrenheit.',
    humid float
        comment 'Relative humidity in percent.',
    wind_dir number(38, 0)
        comment 'Where the wind comes from, in degrees.',
    wind_speed float
        comment 'Wind speed in miles an hour.',
    wind_gust float
        comment 'Speed of the strongest gust in miles an hour.',
    precip number(5, 2)
        comment 'Rain, or snow as water, in inches.',
    pressure float
        comment 'Air pressure at sea level in millibars.',
    visib number(5, 2)
        comment 'Visibility in miles.',
    time_hour timestamp_ltz
        comment 'The hour of the observation, in UTC.',
    _firn_object varchar not null
        comment 'Id of the object that the row came from.',
    _firn_record number(38, 0) not null
        comment 'Number of the record in the object, from 1.',
    _firn_loaded_at timestamp_ltz
        comment 'When COPY began to read the row''s file.'
)
    comment = 'Weather at New York''s three airports, one row an airport and hour. Primary key, not enforced: origin, time_hour.';

create table if not exists raw.nycflights_weather_loads as
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

create table if not exists raw.nycflights_weather_rejects (
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
    comment = 'Rows of nycflights.weather that broke the contract.';
