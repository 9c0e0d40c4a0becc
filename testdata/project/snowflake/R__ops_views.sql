-- What was loaded, of all datasets. Written by internal/snowflake/ddl from the
-- contracts in datasets: go generate.
--
-- A ledger has one row a key: when a newer version of a file replaces the rows
-- of an older one, the older one's row goes too. So these views tell of what
-- stands in the tables; the journal in DynamoDB has the history.

create or replace view ops.objects
    comment = 'Every object that stands in a table, of all datasets.' as
select
    'shop.customer' as dataset,
    object,
    generation,
    load_id,
    bucket,
    key,
    version,
    etag,
    sequencer,
    size,
    contract,
    engine,
    attempt,
    content_hash,
    files,
    rows_read,
    rows_written,
    rows_rejected,
    rows_loaded,
    copy_query_id,
    rejects_query_id,
    transformed_at,
    started_at,
    loaded_at,
    bytes,
    transform_started_at,
    duplicate_of
from raw.shop_customer_loads
where object <> '~lock'
union all
select
    'shop.item' as dataset,
    object,
    generation,
    load_id,
    bucket,
    key,
    version,
    etag,
    sequencer,
    size,
    contract,
    engine,
    attempt,
    content_hash,
    files,
    rows_read,
    rows_written,
    rows_rejected,
    rows_loaded,
    copy_query_id,
    rejects_query_id,
    transformed_at,
    started_at,
    loaded_at,
    bytes,
    transform_started_at,
    duplicate_of
from raw.shop_item_loads
where object <> '~lock'
union all
select
    'shop.order' as dataset,
    object,
    generation,
    load_id,
    bucket,
    key,
    version,
    etag,
    sequencer,
    size,
    contract,
    engine,
    attempt,
    content_hash,
    files,
    rows_read,
    rows_written,
    rows_rejected,
    rows_loaded,
    copy_query_id,
    rejects_query_id,
    transformed_at,
    started_at,
    loaded_at,
    bytes,
    transform_started_at,
    duplicate_of
from raw.shop_order_loads
where object <> '~lock'
union all
select
    'shop.visit' as dataset,
    object,
    generation,
    load_id,
    bucket,
    key,
    version,
    etag,
    sequencer,
    size,
    contract,
    engine,
    attempt,
    content_hash,
    files,
    rows_read,
    rows_written,
    rows_rejected,
    rows_loaded,
    copy_query_id,
    rejects_query_id,
    transformed_at,
    started_at,
    loaded_at,
    bytes,
    transform_started_at,
    duplicate_of
from raw.shop_visit_loads
where object <> '~lock'
union all
select
    'station.event' as dataset,
    object,
    generation,
    load_id,
    bucket,
    key,
    version,
    etag,
    sequencer,
    size,
    contract,
    engine,
    attempt,
    content_hash,
    files,
    rows_read,
    rows_written,
    rows_rejected,
    rows_loaded,
    copy_query_id,
    rejects_query_id,
    transformed_at,
    started_at,
    loaded_at,
    bytes,
    transform_started_at,
    duplicate_of
from raw.station_event_loads
where object <> '~lock';

create or replace view ops.loads
    comment = 'Every load that objects stand of: one transaction each.' as
select
    loaded.dataset,
    loaded.load_id,
    count(*) as objects,
    sum(loaded.files) as files,
    sum(loaded.bytes) as bytes,
    sum(loaded.rows_read) as rows_read,
    sum(loaded.rows_written) as rows_written,
    sum(loaded.rows_rejected) as rows_rejected,
    sum(loaded.rows_loaded) as rows_loaded,
    min(loaded.started_at) as started_at,
    max(loaded.loaded_at) as loaded_at,
    datediff('millisecond', min(loaded.started_at), max(loaded.loaded_at))
    / 1000 as seconds,
    listagg(distinct loaded.contract, ', ')
    within group (order by loaded.contract) as contracts,
    listagg(distinct loaded.engine, ', ')
    within group (order by loaded.engine) as engines
from ops.objects as loaded
group by loaded.dataset, loaded.load_id;

create or replace view ops.rejects_by_rule
    comment = 'How many rows broke which rule, of all datasets.' as
select
    'shop.customer' as dataset,
    rule,
    count(*) as row_count,
    count(distinct _firn_object) as objects,
    min(_firn_loaded_at) as first_loaded_at,
    max(_firn_loaded_at) as last_loaded_at
from raw.shop_customer_rejects
group by rule
union all
select
    'shop.item' as dataset,
    rule,
    count(*) as row_count,
    count(distinct _firn_object) as objects,
    min(_firn_loaded_at) as first_loaded_at,
    max(_firn_loaded_at) as last_loaded_at
from raw.shop_item_rejects
group by rule
union all
select
    'shop.order' as dataset,
    rule,
    count(*) as row_count,
    count(distinct _firn_object) as objects,
    min(_firn_loaded_at) as first_loaded_at,
    max(_firn_loaded_at) as last_loaded_at
from raw.shop_order_rejects
group by rule
union all
select
    'shop.visit' as dataset,
    rule,
    count(*) as row_count,
    count(distinct _firn_object) as objects,
    min(_firn_loaded_at) as first_loaded_at,
    max(_firn_loaded_at) as last_loaded_at
from raw.shop_visit_rejects
group by rule
union all
select
    'station.event' as dataset,
    rule,
    count(*) as row_count,
    count(distinct _firn_object) as objects,
    min(_firn_loaded_at) as first_loaded_at,
    max(_firn_loaded_at) as last_loaded_at
from raw.station_event_rejects
group by rule;

create or replace view ops.freshness
    comment = 'How old every dataset is; null times if it was never loaded.' as
with ledgers as (
    select
        'shop.customer' as dataset,
        contract,
        paused
    from raw.shop_customer_loads
    where object = '~lock'
    union all
    select
        'shop.item' as dataset,
        contract,
        paused
    from raw.shop_item_loads
    where object = '~lock'
    union all
    select
        'shop.order' as dataset,
        contract,
        paused
    from raw.shop_order_loads
    where object = '~lock'
    union all
    select
        'shop.visit' as dataset,
        contract,
        paused
    from raw.shop_visit_loads
    where object = '~lock'
    union all
    select
        'station.event' as dataset,
        contract,
        paused
    from raw.station_event_loads
    where object = '~lock'
)

select
    ledgers.dataset,
    max(loaded.loaded_at) as last_loaded_at,
    max(loaded.transformed_at) as newest_object_at,
    datediff('minute', max(loaded.loaded_at), current_timestamp())
        as age_minutes,
    count(loaded.object) as objects,
    ledgers.paused,
    ledgers.contract
from ledgers
left join ops.objects as loaded on ledgers.dataset = loaded.dataset
group by ledgers.dataset, ledgers.paused, ledgers.contract;
