-- Midnight in UTC has the hour 0: dbt sets the time zone of the session. The
-- time zone of the account doesn't matter (docs/session-parameters.md).
with

midnight as (

    select '2026-01-01 00:00:00 +0000'::timestamp_ltz as midnight_at

)

select midnight_at
from midnight
where hour(midnight_at) <> 0
