{#-
    The schema of a model: the folder's schema, STAGING or MARTS. dbt's own
    rule would add the profile's schema as a prefix: STAGING_MARTS.
-#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ (custom_schema_name or target.schema) | trim | upper }}
{%- endmacro %}
