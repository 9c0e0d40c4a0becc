-- Every row is accounted for: what the ledger says that it loaded is what the
-- raw table holds, dataset by dataset. One statement, so that a load that
-- commits meanwhile is seen whole or not at all.
with

ledger as (

    select
        dataset,
        sum(rows_loaded) as row_count
    from {{ ref('stg_firn_ledger') }}
    group by dataset

),

objects as (

    {{ rows_an_object('') }}

),

held as (

    select
        dataset,
        sum(row_count) as row_count
    from objects
    group by dataset

)

select
    coalesce(ledger.dataset, held.dataset) as dataset,
    coalesce(ledger.row_count, 0) as rows_in_ledger,
    coalesce(held.row_count, 0) as rows_in_table
from ledger
full outer join held on ledger.dataset = held.dataset
where coalesce(ledger.row_count, 0) <> coalesce(held.row_count, 0)
