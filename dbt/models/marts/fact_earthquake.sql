with

events as (

    select * from {{ ref('stg_usgs_event') }}

),

facts as (

    select
        ---------- keys
        {{ surrogate_key(['event_id']) }} as earthquake_key,
        {{ date_key('occurred_date') }} as date_key,

        ---------- the event
        event_id,
        network_code,
        event_type,
        review_status,
        occurred_at,
        occurred_date,
        updated_at,

        ---------- place
        place,
        latitude,
        longitude,
        depth_km,

        ---------- measures
        magnitude,
        magnitude_type,
        significance,
        reported_intensity,
        estimated_intensity,
        felt_reports,
        alert_level,
        is_tsunami_flagged,
        station_count,
        largest_gap_degrees,
        residual_seconds,

        ---------- lineage
        page_url,
        object_id,
        record_number,
        loaded_at

    from events

)

select * from facts
