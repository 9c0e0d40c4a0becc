{#-
    A time of day from a number, hour times 100 plus minute. 2400 is midnight
    at the end of the day and becomes 00:00.
-#}
{% macro clock_time(reading) -%}
    time_from_parts(
        mod(floor({{ reading }} / 100), 24), mod({{ reading }}, 100), 0
    )
{%- endmacro %}
