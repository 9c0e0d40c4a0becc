{#- A number is a time of day, hour times 100 plus minute; null passes. -#}
{% test is_clock(model, column_name) %}

    select {{ column_name }}
    from {{ model }}
    where
        {{ column_name }} < 0
        or {{ column_name }} > 2400
        or mod({{ column_name }}, 100) > 59

{% endtest %}
