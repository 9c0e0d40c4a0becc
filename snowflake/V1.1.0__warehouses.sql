-- A warehouse for each kind of work, so that each has a bill, a limit and a
-- queue of its own. Run it with ACCOUNTADMIN: nobody else may create
-- a resource monitor or give one to a warehouse.
--
-- A start is billed for a minute at least, so each sleeps after one.
-- A statement ends after the first limit, and gives up waiting for room after
-- the second (Snowflake's own limits: two days, and none). Loads: what a Lambda
-- lives at most; the loader comes back by itself.
--
-- A monitor's quota counts from the first of the month, in UTC. It tells the
-- account's administrators at 80 %, lets no new statement in at 100 %, and
-- ends those that run at 110 %: it acts late, not to the credit.
--
-- Variables, credits a month; one is an hour, or 60 starts:
--   load_credits       defaults to 50
--   transform_credits  defaults to 30
--   report_credits     defaults to 20
--
-- Sources:
--   https://docs.snowflake.com/en/sql-reference/sql/create-resource-monitor
--   https://docs.snowflake.com/en/sql-reference/sql/create-warehouse
--   https://docs.snowflake.com/en/user-guide/warehouses-considerations
create resource monitor if not exists firn_load with
    credit_quota = {{ load_credits | default('50') }}
    triggers
        on 80 percent do notify
        on 100 percent do suspend
        on 110 percent do suspend_immediate;

create resource monitor if not exists firn_transform with
    credit_quota = {{ transform_credits | default('30') }}
    triggers
        on 80 percent do notify
        on 100 percent do suspend
        on 110 percent do suspend_immediate;

create resource monitor if not exists firn_report with
    credit_quota = {{ report_credits | default('20') }}
    triggers
        on 80 percent do notify
        on 100 percent do suspend
        on 110 percent do suspend_immediate;

create warehouse if not exists firn_load
    warehouse_size = xsmall
    auto_suspend = 60
    auto_resume = true
    initially_suspended = true
    statement_timeout_in_seconds = 900
    statement_queued_timeout_in_seconds = 300
    resource_monitor = firn_load
    comment = 'Loads, and migrations.';

create warehouse if not exists firn_transform
    warehouse_size = xsmall
    auto_suspend = 60
    auto_resume = true
    initially_suspended = true
    statement_timeout_in_seconds = 3600
    statement_queued_timeout_in_seconds = 600
    resource_monitor = firn_transform
    comment = 'dbt.';

create warehouse if not exists firn_report
    warehouse_size = xsmall
    auto_suspend = 60
    auto_resume = true
    initially_suspended = true
    statement_timeout_in_seconds = 600
    statement_queued_timeout_in_seconds = 60
    resource_monitor = firn_report
    comment = 'People and their tools.';

-- The one that was made last is the session's now.
use warehouse firn_load;

-- An owner may use, suspend, resume, change and watch a warehouse; not free it
-- of its monitor.
grant ownership on warehouse firn_load
    to role firn_admin copy current grants;
grant ownership on warehouse firn_transform
    to role firn_admin copy current grants;
grant ownership on warehouse firn_report
    to role firn_admin copy current grants;

grant monitor on resource monitor firn_load to role firn_admin;
grant monitor on resource monitor firn_transform to role firn_admin;
grant monitor on resource monitor firn_report to role firn_admin;
