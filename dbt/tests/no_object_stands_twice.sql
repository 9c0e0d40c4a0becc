-- Nothing is loaded twice: an object has one row in its dataset's ledger, and
-- so has a key, since the ledger forgets what a newer version replaced.
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
