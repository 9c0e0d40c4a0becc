-- dim_date starts on a 1 January and ends on the 31 December of the year after
-- the newest fact. No day between is missing, and no day is there twice.
with

held as (

    select
        min(date_day) as first_day,
        max(date_day) as last_day,
        count(*) as day_count
    from {{ ref('dim_date') }}

),

days_with_data as (

    select flight_date as date_day from {{ ref('fact_flight') }}
    union all
    select occurred_date as date_day from {{ ref('fact_earthquake') }}

),

wanted as (

    select
        date_from_parts(year(min(date_day)), 1, 1) as first_day,
        date_from_parts(year(max(date_day)) + 1, 12, 31) as last_day
    from days_with_data

)

select
    held.first_day,
    held.last_day,
    held.day_count
from held
cross join wanted
where
    held.first_day > wanted.first_day
    or held.last_day < wanted.last_day
    or month(held.first_day) * 100 + day(held.first_day) <> 101
    or month(held.last_day) * 100 + day(held.last_day) <> 1231
    or held.day_count
    <> datediff(day, held.first_day, held.last_day) + 1
