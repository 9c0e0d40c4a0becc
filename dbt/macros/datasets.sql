{#-
    The rows of all datasets from the tables of one type, with the dataset's
    name as the first column.

    table:   'loads' or 'rejects'
    columns: names of the columns to read
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
    The number of rows of each object in the tables of one type, for all
    datasets. Columns: dataset, object_id, row_count.

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
