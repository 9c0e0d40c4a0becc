{#- An expression is true for every row; null counts as false. -#}
{% test is_true(model, expression) %}

    select *
    from {{ model }}
    where not coalesce({{ expression }}, false)

{% endtest %}
