create or replace view raw.shop_order_current
    copy grants
    comment = 'The current rows of shop.order. Definition ce10f854c046bad6.'
as
with

files as (

    select
        object,
        held,
        nullif(
            regexp_substr(
                key, '^shop/order/([0-9].*)/([^/]+)[.]csv$', 1, 1, 'es', 1
            ),
            ''
        ) as delivery
    from raw.shop_order_loads
    where object <> '~lock' and withdrawn_at is null

),

newest as (

    select delivery
    from files
    where delivery is not null
    group by delivery
    -- A held delivery waits for firn accept.
    -- A complete delivery has this number of files.
    having
        count_if(held) = 0
        and count(*) = 3
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
