with

source as (

    select * from {{ source('nycflights', 'airport_current') }}

),

renamed as (

    select
        ---------- ids
        faa as airport_code,

        ---------- names
        name as airport_name,

        ---------- place
        lat as latitude,
        lon as longitude,
        alt as altitude_feet,

        ---------- time zone
        tz as utc_offset_hours,
        dst as daylight_saving_rule,
        tzone as time_zone,

        ---------- lineage
        _firn_object as object_id,
        _firn_record as record_number,
        _firn_loaded_at as loaded_at

    from source

)

select * from renamed
