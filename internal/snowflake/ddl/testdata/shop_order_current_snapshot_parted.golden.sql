create or replace view raw.shop_order_current
    copy grants
    comment = 'The current rows of shop.order. Definition 20a5be58afee206a.'
as
with

files as (

    select
        object,
        held,
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

),

newest as (

    select delivery
    from files
    where delivery is not null
    group by delivery
    -- A held delivery waits for firn accept.
    -- Every part exists once, with numbers from 0 or 1, and all parts have the
    -- same number of parts in their names.
    having
        count_if(held) = 0
        and min(parts) = max(parts)
        and count(*) = min(parts)
        and count(distinct part) = min(parts)
        and max(part) - min(part) = min(parts) - 1
    -- The delivery's name decides, not the load time: after a reload, an old
    -- delivery stays old.
    order by delivery desc
    limit 1

)

select
    loaded.number,
    loaded.shop,
    loaded.paid_at,
    loaded._firn_object,
    loaded._firn_record,
    loaded._firn_loaded_at
from raw.shop_order as loaded
inner join files
    on loaded._firn_object = files.object
inner join newest
    on files.delivery = newest.delivery
