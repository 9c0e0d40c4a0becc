with

source as (

    select * from {{ source('shop', 'customer_current') }}

),

renamed as (

    select
        code as customer_code,
        name as customer_name,
        _firn_object as object_id,
        _firn_record as record_number,
        _firn_loaded_at as loaded_at
    from source

)

select * from renamed
