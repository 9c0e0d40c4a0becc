with

source as (

    select * from {{ source('usgs', 'event_current') }}

),

renamed as (

    select
        ---------- ids
        id as event_id,
        net as network_code,
        code as network_event_code,
        ids as all_event_ids,

        ---------- moments
        to_timestamp_ltz(time, 3) as occurred_at,
        to_timestamp_ntz(time, 3)::date as occurred_date,
        to_timestamp_ltz(updated, 3) as updated_at,
        tz as utc_offset_minutes,

        ---------- place
        place,
        latitude,
        longitude,
        depth as depth_km,

        ---------- strength
        mag as magnitude,
        mag_type as magnitude_type,
        cdi as reported_intensity,
        mmi as estimated_intensity,
        felt as felt_reports,
        sig as significance,
        alert as alert_level,
        tsunami = 1 as is_tsunami_flagged,

        ---------- quality of the location
        nst as station_count,
        dmin as nearest_station_degrees,
        rms as residual_seconds,
        gap as largest_gap_degrees,

        ---------- texts
        type as event_type,
        status as review_status,
        title,
        url as page_url,
        detail as detail_url,
        sources as contributing_networks,
        types as product_types,
        record,

        ---------- lineage
        _firn_object as object_id,
        _firn_record as record_number,
        _firn_loaded_at as loaded_at

    from source

)

select * from renamed
