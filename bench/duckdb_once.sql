-- Follows from bench/orders.odcs.yaml: go test ./bench/duckdb -update
create temp table checked as
with source as (
    select *
    from read_csv(
        '$input',
        auto_detect = false,
        header = true,
        delim = ',',
        quote = '"',
        escape = '"',
        columns = {
            raw_order_id: 'varchar',
            raw_customer_id: 'varchar',
            raw_ordered_at: 'varchar',
            raw_amount: 'varchar',
            raw_quantity: 'varchar',
            raw_status: 'varchar',
            raw_country: 'varchar',
            raw_is_gift: 'varchar',
            raw_ship_date: 'varchar',
            raw_note: 'varchar'
        },
        store_rejects = true,
        rejects_limit = 0,
        max_line_size = 16777216,
        buffer_size = 33554432
    )
),
typed as (
    select
        *,
        case
            when regexp_full_match(
                raw_order_id,
                '-?[0-9]{1,19}'
            ) then try_cast(raw_order_id as bigint)
        end as order_id,
        nullif(raw_customer_id, '') as customer_id,
        case
            when regexp_full_match(
                raw_ordered_at,
                '[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z'
            ) then try_cast(raw_ordered_at as timestamptz)
        end as ordered_at,
        case
            when regexp_full_match(
                raw_amount,
                '-?[0-9]{1,10}(\.[0-9]{1,2})?'
            ) then try_cast(raw_amount as decimal(12, 2))
        end as amount,
        case
            when regexp_full_match(
                raw_quantity,
                '-?[0-9]{1,19}'
            ) then try_cast(raw_quantity as bigint)
        end as quantity,
        nullif(raw_status, '') as status,
        nullif(raw_country, '') as country,
        case
            when regexp_full_match(
                raw_is_gift,
                'true|false'
            ) then try_cast(raw_is_gift as boolean)
        end as is_gift,
        case
            when regexp_full_match(
                raw_ship_date,
                '[0-9]{4}-[0-9]{2}-[0-9]{2}'
            ) then try_cast(raw_ship_date as date)
        end as ship_date,
        nullif(raw_note, '') as note
    from source
),
renamed as (
    select
        *,
        case
            when coalesce(raw_order_id, '') = ''
                then 'order_id:required'
            when order_id is null and raw_order_id <> ''
                then 'order_id:integer'
            when coalesce(raw_customer_id, '') = ''
                then 'customer_id:required'
            when contains(customer_id, chr(0))
                then 'customer_id:nul'
            when not regexp_full_match(customer_id, 'C[0-9]{8}')
                then 'customer_id:pattern'
            when coalesce(raw_ordered_at, '') = ''
                then 'ordered_at:required'
            when ordered_at is null and raw_ordered_at <> ''
                then 'ordered_at:timestamp'
            when coalesce(raw_amount, '') = ''
                then 'amount:required'
            when amount is null and raw_amount <> ''
                then 'amount:decimal'
            when amount < 0
                then 'amount:minimum'
            when coalesce(raw_quantity, '') = ''
                then 'quantity:required'
            when quantity is null and raw_quantity <> ''
                then 'quantity:integer'
            when quantity < 1
                then 'quantity:minimum'
            when quantity > 1000
                then 'quantity:maximum'
            when coalesce(raw_status, '') = ''
                then 'status:required'
            when contains(status, chr(0))
                then 'status:nul'
            when status not in ('new', 'paid', 'shipped', 'delivered', 'returned')
                then 'status:enum'
            when coalesce(raw_country, '') = ''
                then 'country:required'
            when contains(country, chr(0))
                then 'country:nul'
            when not regexp_full_match(country, '[A-Z]{2}')
                then 'country:pattern'
            when coalesce(raw_is_gift, '') = ''
                then 'is_gift:required'
            when is_gift is null and raw_is_gift <> ''
                then 'is_gift:boolean'
            when ship_date is null and raw_ship_date <> ''
                then 'ship_date:date'
            when contains(note, chr(0))
                then 'note:nul'
        end as rule
    from typed
)
from (
    select
        order_id,
        customer_id,
        ordered_at,
        amount,
        quantity,
        status,
        country,
        is_gift,
        ship_date,
        note,
        rule,
        case
            when rule is not null
                then concat_ws(
            ',',
            case
                when regexp_matches(raw_order_id, '[",\r\n]')
                    then '"' || replace(raw_order_id, '"', '""') || '"'
                else coalesce(raw_order_id, '')
            end,
            case
                when regexp_matches(raw_customer_id, '[",\r\n]')
                    then '"' || replace(raw_customer_id, '"', '""') || '"'
                else coalesce(raw_customer_id, '')
            end,
            case
                when regexp_matches(raw_ordered_at, '[",\r\n]')
                    then '"' || replace(raw_ordered_at, '"', '""') || '"'
                else coalesce(raw_ordered_at, '')
            end,
            case
                when regexp_matches(raw_amount, '[",\r\n]')
                    then '"' || replace(raw_amount, '"', '""') || '"'
                else coalesce(raw_amount, '')
            end,
            case
                when regexp_matches(raw_quantity, '[",\r\n]')
                    then '"' || replace(raw_quantity, '"', '""') || '"'
                else coalesce(raw_quantity, '')
            end,
            case
                when regexp_matches(raw_status, '[",\r\n]')
                    then '"' || replace(raw_status, '"', '""') || '"'
                else coalesce(raw_status, '')
            end,
            case
                when regexp_matches(raw_country, '[",\r\n]')
                    then '"' || replace(raw_country, '"', '""') || '"'
                else coalesce(raw_country, '')
            end,
            case
                when regexp_matches(raw_is_gift, '[",\r\n]')
                    then '"' || replace(raw_is_gift, '"', '""') || '"'
                else coalesce(raw_is_gift, '')
            end,
            case
                when regexp_matches(raw_ship_date, '[",\r\n]')
                    then '"' || replace(raw_ship_date, '"', '""') || '"'
                else coalesce(raw_ship_date, '')
            end,
            case
                when regexp_matches(raw_note, '[",\r\n]')
                    then '"' || replace(raw_note, '"', '""') || '"'
                else coalesce(raw_note, '')
            end
        )
        end as raw
    from renamed
);

copy (
    select
        order_id,
        customer_id,
        ordered_at,
        amount,
        quantity,
        status,
        country,
        is_gift,
        ship_date,
        note
    from checked
    where rule is null
) to '$output/good.parquet' (
    format parquet, compression zstd, compression_level $level
);

copy (
    select
        rule,
        null::bigint as record,
        raw as raw
    from checked
    where rule is not null
    union all
    select
        min(
            case
                when error_type = 'INVALID ENCODING' then '_row:utf8'
                else '_row:columns'
            end
        ) as rule,
        (line - 1)::bigint as record,
        any_value(csv_line) as raw
    from reject_errors
    where scan_id = (select min(scan_id) from reject_errors)
    group by line
) to '$output/rejects.parquet' (
    format parquet, compression zstd, compression_level $level
);
