{% set columns = [
    '_firn_object', '_firn_record', 'line', 'rule', 'raw', '_firn_loaded_at',
] %}

with

source as (

    {{ of_all_datasets('rejects', columns) }}

),

renamed as (

    select
        ---------- ids
        dataset,
        _firn_object as object_id,
        _firn_record as record_number,
        line as line_number,

        ---------- rule and text
        rule,
        raw as raw_text,

        ---------- timestamps
        _firn_loaded_at as loaded_at

    from source

)

select * from renamed
