create or replace view raw.shop_order_current
    copy grants
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
            -- What the contract calls newest; a row without a value is the oldest.
            loaded.paid_at desc nulls last,
            loaded.number desc nulls last,
            -- S3's order of events, as text of one width. S3 promises it for
            -- versions of one key only; between two keys it follows the time in
            -- practice. An object that no event announced has none.
            ledger.sequencer desc nulls last,
            -- Two objects of which nothing tells which is newer: the same one
            -- each time.
            loaded._firn_object desc,
            -- Two rows of one object: the later one.
            loaded._firn_record desc
    ) = 1
