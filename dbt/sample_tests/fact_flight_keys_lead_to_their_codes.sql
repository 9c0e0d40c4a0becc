-- A fact's key leads to the dimension's member with the fact's own code. Only
-- if no member has this code, the key leads to the unknown member. No flight
-- without a member is lost, and no flight with a member has the unknown key.
with

flights as (

    select * from {{ ref('fact_flight') }}

),

codes as (

    select
        flight_key,
        'airline' as dimension,
        airline_key as member_key,
        carrier_code as code
    from flights

    union all

    select
        flight_key,
        'aircraft' as dimension,
        aircraft_key as member_key,
        tail_number as code
    from flights

    union all

    select
        flight_key,
        'airport' as dimension,
        origin_airport_key as member_key,
        origin_code as code
    from flights

    union all

    select
        flight_key,
        'airport' as dimension,
        destination_airport_key as member_key,
        destination_code as code
    from flights

),

members as (

    select
        'airline' as dimension,
        airline_key as member_key,
        carrier_code as code
    from {{ ref('dim_airline') }}

    union all

    select
        'aircraft' as dimension,
        aircraft_key as member_key,
        tail_number as code
    from {{ ref('dim_aircraft') }}

    union all

    select
        'airport' as dimension,
        airport_key as member_key,
        airport_code as code
    from {{ ref('dim_airport') }}

)

select
    codes.flight_key,
    codes.dimension,
    codes.code,
    codes.member_key,
    members.member_key as right_key
from codes
left join members
    on
        codes.dimension = members.dimension
        and codes.code = members.code
where codes.member_key <> coalesce(members.member_key, {{ unknown_key() }})
