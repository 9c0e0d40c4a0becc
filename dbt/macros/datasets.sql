{#-
    The rows of a table that every dataset has, of all datasets, with the
    dataset's name before the columns.

    table:   'loads' or 'rejects'
    columns: the columns to read
-#}
{% macro of_all_datasets(table, columns) -%}
    {%- for dataset in var('datasets') %}
    {%- set source_name, entity = dataset.split('.') %}
    select
        '{{ dataset }}' as dataset,
        {{ columns | join(',\n        ') }}
    from {{ source(source_name, entity ~ '_' ~ table) }}
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
{%- endmacro %}

{#-
    How many rows each object of each dataset has in a table: dataset, object,
    row_count.

    suffix: '' for the raw tables, '_rejects' for the rejects
-#}
{% macro rows_an_object(suffix) -%}
    {%- for dataset in var('datasets') %}
    {%- set source_name, entity = dataset.split('.') %}
    select
        '{{ dataset }}' as dataset,
        _firn_object as object_id,
        count(*) as row_count
    from {{ source(source_name, entity ~ suffix) }}
    group by _firn_object
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
{%- endmacro %}
