with

files as (

    select
        rows_loaded,
        held,
        accepted_at,
        nullif(
            regexp_substr(
                key, '^shop/order/([0-9].*)/([^/]+)[.]csv$', 1, 1, 'es', 1
            ),
            ''
        ) as delivery
    from raw.shop_order_loads
    where object <> '~lock' and withdrawn_at is null

)

select
    delivery,
    count(*) as files,
    sum(rows_loaded) as row_count,
    count_if(held) as held_files,
    count(accepted_at) as accepted_files,
    coalesce(count(*) = 3, false) as complete
from files
where delivery is not null
group by delivery
