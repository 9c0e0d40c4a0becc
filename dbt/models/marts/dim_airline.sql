with

airlines as (

    select * from {{ ref('stg_nycflights_airline') }}

),

known as (

    select
        {{ surrogate_key(['carrier_code']) }} as airline_key,
        carrier_code,
        airline_name
    from airlines

),

unknown as (

    select
        {{ unknown_key() }} as airline_key,
        {{ unknown_key() }} as carrier_code,
        'Unknown' as airline_name

),

members as (

    select * from known
    union all
    select * from unknown

)

select * from members
