with

source as (

    select * from {{ source('station', 'event_current') }}

),

renamed as (

    select
        id as event_id,
        net as network_code,
        to_timestamp_ltz(time, 3) as occurred_at,
        to_timestamp_ntz(time, 3)::date as occurred_date,
        to_timestamp_ltz(updated, 3) as updated_at,
        place,
        latitude,
        longitude,
        depth as depth_km,
        mag as magnitude,
        type as event_type,
        status as review_status,
        _firn_object as object_id,
        _firn_record as record_number,
        _firn_loaded_at as loaded_at
    from source

)

select * from renamed
