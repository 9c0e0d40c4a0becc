-- No object is loaded twice: each object has a single row in its dataset's
-- ledger. Each key has a single row too, because a load deletes the ledger row
-- of the replaced version.
with

ledger as (

    select * from {{ ref('stg_firn_ledger') }}

),

objects as (

    select
        dataset,
        object_id as stands_twice
    from ledger
    group by dataset, object_id
    having count(*) > 1

),

keys as (

    select
        dataset,
        bucket || '/' || object_key as stands_twice
    from ledger
    group by dataset, bucket, object_key
    having count(*) > 1

)

select * from objects
union all
select * from keys
