-- The variable `datasets` names every source with a ledger. Without this test,
-- a forgotten dataset would be missing from stg_firn_ledger without an error. A
-- named dataset without a source stops dbt before the first model.
{% set suffix = '_loads' %}
{% set left_out = [] %}
{% if execute %}
    {% for node in graph.sources.values() if node.name.endswith(suffix) %}
        {% set entity = node.name[:-(suffix | length)] %}
        {% set dataset = node.source_name ~ '.' ~ entity %}
        {% if dataset not in var('datasets') %}
            {% do left_out.append(dataset) %}
        {% endif %}
    {% endfor %}
{% endif %}

select ''::varchar as dataset
where false
{% for dataset in left_out %}
    union all
    select '{{ dataset }}' as dataset
{% endfor %}
