with

source as (

    select * from {{ source('shop', 'visit') }}

),

renamed as (

    select
        shop as shop_code,
        started_at,
        temperature as temperature_celsius,
        minutes as mean_minutes,
        visitors as visitor_count,
        longest as longest_minutes,
        share as buyers_percent,
        _firn_object as object_id,
        _firn_record as record_number,
        _firn_loaded_at as loaded_at
    from source

)

select * from renamed
