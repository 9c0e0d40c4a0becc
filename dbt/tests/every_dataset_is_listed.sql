-- The variable `datasets` names every source that has a ledger: one that it
-- left out would be missing from stg_firn_ledger in silence. One that it names
-- without a source stops dbt before anything runs.
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
