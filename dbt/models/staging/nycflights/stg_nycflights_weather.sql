with

source as (

    select * from {{ source('nycflights', 'weather_current') }}

),

renamed as (

    select
        ---------- ids
        origin as airport_code,
        time_hour as observed_at,

        ---------- local time
        date_from_parts(year, month, day) as observed_date,
        hour as observed_hour,

        ---------- numerics
        temp as temperature_fahrenheit,
        dewp as dew_point_fahrenheit,
        humid as humidity_percent,
        wind_dir as wind_direction_degrees,
        wind_speed as wind_speed_mph,
        wind_gust as wind_gust_mph,
        precip as precipitation_inches,
        pressure as pressure_millibars,
        visib as visibility_miles,

        ---------- lineage
        _firn_object as object_id,
        _firn_record as record_number,
        _firn_loaded_at as loaded_at

    from source

)

select * from renamed
