{% set flight_key = [
    'date_part(epoch_second, flights.departure_hour_at)::number(38, 0)',
    'flights.carrier_code',
    'flights.flight_number',
] %}

with

flights as (

    select * from {{ ref('stg_nycflights_flight') }}

),

airlines as (

    select * from {{ ref('dim_airline') }}

),

aircraft as (

    select * from {{ ref('dim_aircraft') }}

),

airports as (

    select * from {{ ref('dim_airport') }}

),

-- Left joins: a flight without a dimension row gets the unknown member's key,
-- and keeps its own code.
facts as (

    select
        ---------- keys
        {{ surrogate_key(flight_key) }} as flight_key,
        {{ date_key('flights.flight_date') }} as date_key,
        coalesce(
            airlines.airline_key, {{ unknown_key() }}
        ) as airline_key,
        coalesce(
            aircraft.aircraft_key, {{ unknown_key() }}
        ) as aircraft_key,
        coalesce(
            origins.airport_key, {{ unknown_key() }}
        ) as origin_airport_key,
        coalesce(
            destinations.airport_key, {{ unknown_key() }}
        ) as destination_airport_key,

        ---------- codes, unchanged
        flights.departure_hour_at,
        flights.carrier_code,
        flights.flight_number,
        flights.tail_number,
        flights.origin_code,
        flights.destination_code,

        ---------- moments
        flights.flight_date,
        flights.scheduled_departure_at,
        flights.departed_at,
        flights.scheduled_departure_time,
        flights.departure_time,
        flights.scheduled_arrival_time,
        flights.arrival_time,

        ---------- measures
        flights.departure_delay_minutes,
        flights.arrival_delay_minutes,
        flights.air_time_minutes,
        flights.distance_miles,
        flights.is_cancelled,
        flights.is_diverted,

        ---------- lineage
        flights.object_id,
        flights.record_number,
        flights.loaded_at

    from flights
    left join airlines
        on flights.carrier_code = airlines.carrier_code
    left join aircraft
        on flights.tail_number = aircraft.tail_number
    left join airports as origins
        on flights.origin_code = origins.airport_code
    left join airports as destinations
        on flights.destination_code = destinations.airport_code

)

select * from facts
