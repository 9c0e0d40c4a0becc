with

planes as (

    select * from {{ ref('stg_nycflights_plane') }}

),

known as (

    select
        {{ surrogate_key(['tail_number']) }} as aircraft_key,
        tail_number,
        manufactured_year,
        aircraft_type,
        manufacturer,
        model,
        engine_count,
        engine_type,
        seat_count,
        cruising_speed_mph
    from planes

),

unknown as (

    select
        {{ unknown_key() }} as aircraft_key,
        {{ unknown_key() }} as tail_number,
        null::number(38, 0) as manufactured_year,
        'Unknown' as aircraft_type,
        null::varchar as manufacturer,
        null::varchar as model,
        null::number(38, 0) as engine_count,
        null::varchar as engine_type,
        null::number(38, 0) as seat_count,
        null::number(38, 0) as cruising_speed_mph

),

members as (

    select * from known
    union all
    select * from unknown

)

select * from members
