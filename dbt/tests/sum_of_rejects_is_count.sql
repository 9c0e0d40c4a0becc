-- Every reject is kept: for each dataset, the sum of the ledger's rejected rows
-- equals the number of rows in the rejects table. The test is one statement, so
-- a concurrent load counts completely or not at all.
with

ledger as (

    select
        dataset,
        sum(rows_rejected) as row_count
    from {{ ref('stg_firn_ledger') }}
    group by dataset

),

objects as (

    {{ rows_an_object('_rejects') }}

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
