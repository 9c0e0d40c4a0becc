-- A warehouse for each kind of work. Each warehouse has its own bill, its own
-- limit and its own queue. Run this script as ACCOUNTADMIN: no other role may
-- create a resource monitor or assign a monitor to a warehouse.
--
-- Snowflake bills at least a minute for each start, so a warehouse suspends
-- itself after a minute without work. The first limit of a warehouse ends a
-- statement that runs too long. The second limit ends a statement that waits
-- too long for room. Snowflake's own limits are two days and none. For loads
-- the first limit is a Lambda function's longest time; the load message comes
-- back without help.
--
-- A monitor's quota counts from the first day of the month, in UTC. At 80 %
-- the monitor notifies the account's administrators, at 100 % it admits no new
-- statement, and at 110 % it ends running statements. A monitor acts late: the
-- limit isn't exact.
--
-- Variables, in credits per month; a credit is an hour, or 60 starts:
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

-- Snowflake selected the last created warehouse for this session.
use warehouse firn_load;

-- An owner may use, suspend, resume, change and watch a warehouse, but may not
-- remove the warehouse's monitor.
grant ownership on warehouse firn_load
    to role firn_admin copy current grants;
grant ownership on warehouse firn_transform
    to role firn_admin copy current grants;
grant ownership on warehouse firn_report
    to role firn_admin copy current grants;

grant monitor on resource monitor firn_load to role firn_admin;
grant monitor on resource monitor firn_transform to role firn_admin;
grant monitor on resource monitor firn_report to role firn_admin;
