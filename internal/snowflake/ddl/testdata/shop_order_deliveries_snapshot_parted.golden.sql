with

files as (

    select
        rows_loaded,
        held,
        accepted_at,
        nullif(
            regexp_substr(
                key, '^shop/order/([0-9].*)/part-([0-9]{1,9})-of-([0-9]{1,9})[.]csv$', 1, 1, 'es', 1
            ),
            ''
        ) as delivery,
        nullif(
            regexp_substr(
                key, '^shop/order/([0-9].*)/part-([0-9]{1,9})-of-([0-9]{1,9})[.]csv$', 1, 1, 'es', 2
            ),
            ''
        )::number(38, 0) as part,
        nullif(
            regexp_substr(
                key, '^shop/order/([0-9].*)/part-([0-9]{1,9})-of-([0-9]{1,9})[.]csv$', 1, 1, 'es', 3
            ),
            ''
        )::number(38, 0) as parts
    from raw.shop_order_loads
    where object <> '~lock' and withdrawn_at is null

)

select
    delivery,
    count(*) as files,
    sum(rows_loaded) as row_count,
    count_if(held) as held_files,
    count(accepted_at) as accepted_files,
    coalesce(min(parts) = max(parts) and count(*) = min(parts) and count(distinct part) = min(parts) and max(part) - min(part) = min(parts) - 1, false) as complete
from files
where delivery is not null
group by delivery
