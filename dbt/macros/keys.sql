{#-
    The md5 of the parts of a natural key; a part is a SQL expression. The
    length of each part comes before the part, so that ('a', 'bc') and
    ('ab', 'c') differ. A part must not depend on the session: instead of a
    timestamp, use its epoch.
-#}
{% macro surrogate_key(parts) -%}
    md5(
        {%- for part in parts %}
        coalesce(length({{ part }}::varchar) || ':' || {{ part }}::varchar, '~')
        {%- if not loop.last %} ||{% endif %}
        {%- endfor %}
    )
{%- endmacro %}

{#- The key and the code of a dimension's unknown member. -#}
{% macro unknown_key() -%}
    '~unknown'
{%- endmacro %}

{#- A date's key in dim_date: year, month, day in one number, 20130131. -#}
{% macro date_key(date) -%}
    (year({{ date }}) * 10000 + month({{ date }}) * 100 + day({{ date }}))
{%- endmacro %}
