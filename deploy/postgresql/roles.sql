-- Roles and schemas of Martlet, one role for each service that may touch PostgreSQL, each reaching only its own schemas.
-- Run as a superuser in Martlet's database, as often as you like:
--
--   psql --dbname martlet --set ON_ERROR_STOP=1 --file deploy/postgresql/roles.sql
--
-- The roles log in without a password where pg_hba.conf says so (peer over the unix socket); elsewhere give them one:
--   ALTER ROLE martlet_storage PASSWORD '…';

SET client_min_messages = warning;

DO $$
DECLARE
    role_name text;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['martlet_storage', 'martlet_authentication'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
            -- Two databases of one cluster may be set up at the same time.
            BEGIN
                EXECUTE format('CREATE ROLE %I LOGIN', role_name);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;
            END;
        END IF;
    END LOOP;
    -- Nothing is anybody's by default.
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format(
        'GRANT CONNECT, TEMPORARY ON DATABASE %I TO martlet_storage, martlet_authentication', current_database());
END
$$;
REVOKE ALL ON SCHEMA public FROM PUBLIC;

CREATE SCHEMA IF NOT EXISTS directory AUTHORIZATION martlet_storage;
CREATE SCHEMA IF NOT EXISTS mail AUTHORIZATION martlet_storage;
CREATE SCHEMA IF NOT EXISTS queue AUTHORIZATION martlet_storage;
CREATE SCHEMA IF NOT EXISTS authentication AUTHORIZATION martlet_authentication;
