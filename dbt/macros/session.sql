{#-
    The session parameters of dbt's statements. A parameter of the account or
    of the user could change a result, for example the time zone of a cast.
    docs/session-parameters.md has every parameter with the reason, and a test
    compares that page with this list.
-#}
{% macro session_parameters() -%}
    {{
        return(
            {
                'BINARY_INPUT_FORMAT': 'HEX',
                'BINARY_OUTPUT_FORMAT': 'HEX',
                'DATE_INPUT_FORMAT': 'AUTO',
                'DATE_OUTPUT_FORMAT': 'YYYY-MM-DD',
                'DEFAULT_NULL_ORDERING': 'LAST',
                'ERROR_ON_NONDETERMINISTIC_MERGE': 'true',
                'ERROR_ON_NONDETERMINISTIC_UPDATE': 'true',
                'JSON_INDENT': '2',
                'OPT_OUT_ERROR_LOGGING': 'true',
                'QUOTED_IDENTIFIERS_IGNORE_CASE': 'false',
                'ROWS_PER_RESULTSET': '0',
                'STRICT_JSON_OUTPUT': 'false',
                'TIMESTAMP_DAY_IS_ALWAYS_24H': 'false',
                'TIMESTAMP_INPUT_FORMAT': 'AUTO',
                'TIMESTAMP_LTZ_OUTPUT_FORMAT':
                    'YYYY-MM-DD HH24:MI:SS.FF3 TZHTZM',
                'TIMESTAMP_NTZ_OUTPUT_FORMAT': 'YYYY-MM-DD HH24:MI:SS.FF3',
                'TIMESTAMP_OUTPUT_FORMAT': 'YYYY-MM-DD HH24:MI:SS.FF3 TZHTZM',
                'TIMESTAMP_TYPE_MAPPING': 'TIMESTAMP_NTZ',
                'TIMESTAMP_TZ_OUTPUT_FORMAT':
                    'YYYY-MM-DD HH24:MI:SS.FF3 TZHTZM',
                'TIMEZONE': 'UTC',
                'TIME_INPUT_FORMAT': 'AUTO',
                'TIME_OUTPUT_FORMAT': 'HH24:MI:SS',
                'TWO_DIGIT_CENTURY_START': '1970',
                'WEEK_OF_YEAR_POLICY': '0',
                'WEEK_START': '0',
            }
        )
    }}
{%- endmacro %}

{#-
    Sets the session parameters. A number or a truth value has no quotes:
    https://docs.snowflake.com/en/sql-reference/sql/alter-session
-#}
{% macro set_session_parameters() -%}
    {%- set assignments = [] -%}
    {%- for name, value in session_parameters().items() -%}
        {%- set bare = value in ['true', 'false'] or value.isdigit() -%}
        {%- do assignments.append(
            name ~ ' = ' ~ (value if bare else "'" ~ value ~ "'")
        ) -%}
    {%- endfor -%}
    {%- do run_query('alter session set ' ~ assignments | join(' ')) -%}
{%- endmacro %}

{#-
    dbt-snowflake calls this macro before each model, test, seed and snapshot,
    in the session of their statements. The profile has no setting for session
    parameters: dbt-snowflake 1.12 sends only QUERY_TAG and
    S3_STAGE_VPCE_DNS_NAME at the login. So this macro sets the parameters
    before dbt's own macro sets the query tag
    (https://docs.getdbt.com/reference/resource-configs/snowflake-configs).
-#}
{% macro set_query_tag() -%}
    {%- do set_session_parameters() -%}
    {{ return(adapter.dispatch('set_query_tag', 'dbt')()) }}
{%- endmacro %}
