with

source as (

    select * from {{ source('nycflights', 'plane_current') }}

),

renamed as (

    select
        ---------- ids
        tailnum as tail_number,

        ---------- make
        year as manufactured_year,
        type as aircraft_type,
        manufacturer,
        model,
        engines as engine_count,
        engine as engine_type,
        seats as seat_count,
        speed as cruising_speed_mph,

        ---------- lineage
        _firn_object as object_id,
        _firn_record as record_number,
        _firn_loaded_at as loaded_at

    from source

)

select * from renamed
