with

events as (

    select * from {{ ref('stg_station_event') }}

)

select
    {{ surrogate_key(['event_id']) }} as event_key,
    {{ date_key('occurred_date') }} as date_key,
    event_id,
    network_code,
    event_type,
    occurred_at,
    occurred_date,
    magnitude,
    object_id,
    record_number
from events
