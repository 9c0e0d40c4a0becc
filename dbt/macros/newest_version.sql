{#-
    A QUALIFY clause that keeps one row a primary key. RAW holds the newest
    version of every file, but two files may hold the same key.

    key: the columns of the primary key
    by:  columns whose greatest value wins before the time of the load does
-#}
{% macro newest_version(key, by=[]) -%}
    {%- set order = by + ['_firn_loaded_at', '_firn_object', '_firn_record'] -%}
    qualify row_number() over (
        partition by {{ key | join(', ') }}
        order by
            {%- for column in order %}
            {{ column }} desc nulls last{{ ',' if not loop.last }}
            {%- endfor %}
    ) = 1
{%- endmacro %}
