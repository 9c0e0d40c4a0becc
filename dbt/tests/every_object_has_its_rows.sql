-- The check of sum_of_ledger_is_count, for each object: two errors can't cancel
-- each other out. The test also finds rows without a ledger row, and checks the
-- rejects in the same way.
with

ledger as (

    select * from {{ ref('stg_firn_ledger') }}

),

rows_held as (

    {{ rows_an_object('') }}

),

rejects_held as (

    {{ rows_an_object('_rejects') }}

),

said as (

    select
        dataset,
        object_id,
        'rows' as kind,
        rows_loaded as row_count
    from ledger

    union all

    select
        dataset,
        object_id,
        'rejects' as kind,
        rows_rejected as row_count
    from ledger

),

held as (

    select
        dataset,
        object_id,
        'rows' as kind,
        row_count
    from rows_held

    union all

    select
        dataset,
        object_id,
        'rejects' as kind,
        row_count
    from rejects_held

)

select
    coalesce(said.dataset, held.dataset) as dataset,
    coalesce(said.object_id, held.object_id) as object_id,
    coalesce(said.kind, held.kind) as kind,
    coalesce(said.row_count, 0) as rows_in_ledger,
    coalesce(held.row_count, 0) as rows_in_table
from said
full outer join held
    on
        said.dataset = held.dataset
        and said.object_id = held.object_id
        and said.kind = held.kind
where coalesce(said.row_count, 0) <> coalesce(held.row_count, 0)
