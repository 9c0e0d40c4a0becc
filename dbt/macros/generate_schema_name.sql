{#-
    The schema that a folder names is the schema, STAGING or MARTS. dbt's own
    rule would put the profile's schema before it: STAGING_MARTS.
-#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ (custom_schema_name or target.schema) | trim | upper }}
{%- endmacro %}
