with

airports as (

    select * from {{ ref('stg_nycflights_airport') }}

),

known as (

    select
        {{ surrogate_key(['airport_code']) }} as airport_key,
        airport_code,
        airport_name,
        latitude,
        longitude,
        altitude_feet,
        utc_offset_hours,
        daylight_saving_rule,
        time_zone
    from airports

),

unknown as (

    select
        {{ unknown_key() }} as airport_key,
        {{ unknown_key() }} as airport_code,
        'Unknown' as airport_name,
        null::float as latitude,
        null::float as longitude,
        null::number(38, 0) as altitude_feet,
        null::number(38, 0) as utc_offset_hours,
        null::varchar as daylight_saving_rule,
        null::varchar as time_zone

),

members as (

    select * from known
    union all
    select * from unknown

)

select * from members
