with

source as (

    select * from {{ source('nycflights', 'airline_current') }}

),

renamed as (

    select
        ---------- ids
        carrier as carrier_code,

        ---------- names
        name as airline_name,

        ---------- lineage
        _firn_object as object_id,
        _firn_record as record_number,
        _firn_loaded_at as loaded_at

    from source

)

select * from renamed
