-- The credits of firn's warehouses per day (UTC), by purpose and dataset. The
-- credits of a day add up to the warehouse's metered credits.
--
-- A query's credits are the credits of its execution. All other metered
-- credits are in the row with purpose 'idle': a warehouse without work,
-- queries below a tenth of a second, cloud services. Queries appear up to 8
-- hours late, and are part of 'idle' until then.
--
-- The loader's QUERY_TAG is 'firn load <dataset> <load id>', dbt's is
-- 'firn dbt', the command's is 'firn operator'.
--
-- Sources:
--   https://docs.snowflake.com/en/sql-reference/account-usage/query_attribution_history
--   https://docs.snowflake.com/en/sql-reference/account-usage/warehouse_metering_history
create or replace view ops.cost_by_day
    comment = 'Credits a day, by warehouse, purpose and dataset.' as
with metered as (
    select
        to_date(convert_timezone('UTC', start_time)) as day,
        warehouse_name as warehouse,
        sum(credits_used) as credits
    from snowflake.account_usage.warehouse_metering_history
    where warehouse_name in ('FIRN_LOAD', 'FIRN_TRANSFORM', 'FIRN_REPORT')
    group by 1, 2
),

attributed as (
    select
        to_date(convert_timezone('UTC', start_time)) as day,
        warehouse_name as warehouse,
        case
            when query_tag like 'firn load%' then 'load'
            when query_tag like 'firn dbt%' then 'dbt'
            when query_tag like 'firn operator%' then 'operator'
            else 'other'
        end as purpose,
        case
            when query_tag like 'firn load %'
                then split_part(query_tag, ' ', 3)
        end as dataset,
        count(*) as queries,
        sum(credits_attributed_compute) as credits
    from snowflake.account_usage.query_attribution_history
    where warehouse_name in ('FIRN_LOAD', 'FIRN_TRANSFORM', 'FIRN_REPORT')
    group by 1, 2, 3, 4
),

idle as (
    select
        metered.day,
        metered.warehouse,
        metered.credits - coalesce(sum(attributed.credits), 0) as credits
    from metered
    left join attributed
        on
            metered.day = attributed.day
            and metered.warehouse = attributed.warehouse
    group by metered.day, metered.warehouse, metered.credits
)

select
    day,
    warehouse,
    purpose,
    dataset,
    queries,
    credits
from attributed
union all
select
    day,
    warehouse,
    'idle' as purpose,
    null as dataset,
    null as queries,
    credits
from idle;
