create or replace view raw.shop_order_current
    copy grants
    comment = 'The current rows of shop.order. Definition f5c4f216033ea445.'
as
select
    loaded.number,
    loaded.shop,
    loaded.paid_at,
    loaded._firn_object,
    loaded._firn_record,
    loaded._firn_loaded_at
from raw.shop_order as loaded
left join raw.shop_order_loads as ledger
    on loaded._firn_object = ledger.object
qualify
    row_number() over (
        partition by loaded.shop, loaded.number
        order by
            -- S3's order of events, as text of fixed width. S3 guarantees the
            -- order for versions of one key only. Between two keys, the order
            -- follows the time in practice. An object without an event has no
            -- sequencer.
            ledger.sequencer desc nulls last,
            -- Two objects of unknown order: always choose the same object.
            loaded._firn_object desc,
            -- Two rows of one object: choose the later row.
            loaded._firn_record desc
    ) = 1
