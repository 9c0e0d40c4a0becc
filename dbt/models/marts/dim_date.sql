{# The generator needs a constant number of rows: 200 years. #}
{% set most_days = 200 * 366 %}

with

days_with_data as (

    select flight_date as date_day from {{ ref('stg_nycflights_flight') }}
    union all
    select occurred_date as date_day from {{ ref('stg_usgs_event') }}

),

-- Whole years, up to the year after the newest fact. A load during dbt's run
-- may add the first days of a new year.
bounds as (

    select
        date_trunc('year', min(date_day))::date as first_day,
        last_day(dateadd(year, 1, max(date_day))::date, 'year') as last_day
    from days_with_data

),

numbers as (

    select row_number() over (order by seq4()) - 1 as number
    from table(generator(rowcount => {{ most_days }}))

),

days as (

    select dateadd(day, numbers.number, bounds.first_day)::date as date_day
    from bounds
    cross join numbers
    where
        numbers.number <= datediff(day, bounds.first_day, bounds.last_day)

),

members as (

    select
        {{ date_key('date_day') }} as date_key,
        date_day,
        year(date_day) as year_number,
        quarter(date_day) as quarter_number,
        month(date_day) as month_number,
        monthname(date_day) as month_name,
        date_trunc('month', date_day)::date as first_day_of_month,
        day(date_day) as day_of_month,
        dayofweekiso(date_day) as day_of_week,
        dayname(date_day) as day_name,
        weekiso(date_day) as iso_week,
        yearofweekiso(date_day) as iso_year,
        dayofweekiso(date_day) >= 6 as is_weekend
    from days

)

select * from members
