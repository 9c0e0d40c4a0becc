with

source as (

    select * from {{ source('shop', 'item_current') }}

),

renamed as (

    select
        sku,
        name as item_name,
        price,
        weight as weight_kg,
        stock as pieces_in_stock,
        gift as is_gift,
        category,
        since as sold_since_date,
        updated_at,
        _firn_object as object_id,
        _firn_record as record_number,
        _firn_loaded_at as loaded_at
    from source

)

select * from renamed
