with

source as (

    select * from {{ source('shop', 'order_current') }}

),

renamed as (

    select
        number as order_number,
        year as order_year,
        kind as delivery_kind,
        customer as customer_code,
        channel,
        lines as line_count,
        boxes as box_count,
        discount as discount_percent,
        state as order_state,
        _firn_object as object_id,
        _firn_record as record_number,
        _firn_loaded_at as loaded_at
    from source

)

select * from renamed
