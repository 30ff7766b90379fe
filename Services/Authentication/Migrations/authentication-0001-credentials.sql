-- What proves that a client is who he says. Nothing here is of use without guessing passwords (RFC 5802, 9).

CREATE TABLE authentication.credentials (
    account_id bigint PRIMARY KEY,
    address    text COLLATE "C" NOT NULL UNIQUE,
    verifier   text NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE authentication.credentials IS 'One row for each account that has a password.';
COMMENT ON COLUMN authentication.credentials.account_id IS 'The account''s id in storage''s directory.';
COMMENT ON COLUMN authentication.credentials.address IS 'The login name: the account''s address in lower case.';
COMMENT ON COLUMN authentication.credentials.verifier IS 'SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey (RFC 5803, 3).';
COMMENT ON COLUMN authentication.credentials.changed_at IS 'When the password was set.';

-- Failures lately, as a bucket that leaks: every failure adds one, and the level sinks to nothing within the window of
-- its kind. Rows are written at failures only, and removed when they are empty.
CREATE TABLE authentication.failures (
    subject    text COLLATE "C" PRIMARY KEY,
    level      double precision NOT NULL,
    rate       double precision NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50);
COMMENT ON TABLE authentication.failures IS 'Who failed to log in, and from where, so that guessing stays slow.';
COMMENT ON COLUMN authentication.failures.subject IS 'client:ADDRESS (IPv6: its /64) or name:LOGIN NAME, whether it exists or not.';
COMMENT ON COLUMN authentication.failures.level IS 'How full the bucket was at updated_at.';
COMMENT ON COLUMN authentication.failures.rate IS 'How much leaks in a second.';
COMMENT ON COLUMN authentication.failures.updated_at IS 'The last failure.';
