-- The number of flights with an unknown member, by cause: dbt show -s orphans
with

flights as (

    select * from {{ ref('fact_flight') }}

)

select
    'flight without a tail number' as orphan,
    count(*) as flights,
    0 as codes
from flights
where aircraft_key = {{ unknown_key() }} and tail_number is null

union all

select
    'tail number without a plane' as orphan,
    count(*) as flights,
    count(distinct tail_number) as codes
from flights
where aircraft_key = {{ unknown_key() }} and tail_number is not null

union all

select
    'destination without an airport' as orphan,
    count(*) as flights,
    count(distinct destination_code) as codes
from flights
where destination_airport_key = {{ unknown_key() }}

union all

select
    'origin without an airport' as orphan,
    count(*) as flights,
    count(distinct origin_code) as codes
from flights
where origin_airport_key = {{ unknown_key() }}

union all

select
    'carrier without an airline' as orphan,
    count(*) as flights,
    count(distinct carrier_code) as codes
from flights
where airline_key = {{ unknown_key() }}
