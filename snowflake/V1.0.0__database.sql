-- The database and its schemas. raw is written by loads only, staging and marts
-- by dbt only.
create database if not exists firn
    comment = 'Tables that firn loads, and what dbt makes of them.';

create schema if not exists firn.raw
    comment = 'Rows as they came, with the ledger of every load.';

create schema if not exists firn.staging
    comment = 'One view a raw table: renamed, cast, newest version.';

create schema if not exists firn.marts
    comment = 'Facts and dimensions.';
