with

source as (

    select * from {{ source('nycflights', 'flight_current') }}

),

renamed as (

    select
        ---------- ids
        time_hour as departure_hour_at,
        carrier as carrier_code,
        flight as flight_number,
        tailnum as tail_number,
        origin as origin_code,
        dest as destination_code,

        ---------- moments
        date_from_parts(year, month, day) as flight_date,
        dateadd(
            minute, mod(sched_dep_time, 100), time_hour
        ) as scheduled_departure_at,
        dateadd(
            minute, mod(sched_dep_time, 100) + dep_delay, time_hour
        ) as departed_at,

        ---------- local clocks
        {{ clock_time('sched_dep_time') }} as scheduled_departure_time,
        {{ clock_time('dep_time') }} as departure_time,
        {{ clock_time('sched_arr_time') }} as scheduled_arrival_time,
        {{ clock_time('arr_time') }} as arrival_time,

        ---------- numerics
        dep_delay as departure_delay_minutes,
        arr_delay as arrival_delay_minutes,
        air_time as air_time_minutes,
        distance as distance_miles,

        ---------- booleans
        dep_time is null as is_cancelled,
        dep_time is not null and arr_delay is null as is_diverted,

        ---------- lineage
        _firn_object as object_id,
        _firn_record as record_number,
        _firn_loaded_at as loaded_at

    from source

)

select * from renamed
