-- Who exists: domains, accounts and aliases.
-- Addresses and domains are kept in lower case: mail systems that tell the cases of a local part apart have died out
-- (RFC 5321, 2.4 allows it and advises against it). Text keys compare by code point, so that ranges and pages are exact.

CREATE TABLE directory.domains (
    name       text COLLATE "C" PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE directory.domains IS 'The domains whose mail ends here.';
COMMENT ON COLUMN directory.domains.name IS 'Lower case.';
COMMENT ON COLUMN directory.domains.created_at IS 'When it was added.';

CREATE TABLE directory.accounts (
    account_id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    address           text COLLATE "C" NOT NULL UNIQUE,
    domain            text COLLATE "C" NOT NULL REFERENCES directory.domains,
    disabled          boolean NOT NULL DEFAULT false,
    quota_octets      bigint NOT NULL DEFAULT 0 CHECK (quota_octets >= 0),
    quota_messages    bigint NOT NULL DEFAULT 0 CHECK (quota_messages >= 0),
    used_octets       bigint NOT NULL DEFAULT 0,
    used_messages     bigint NOT NULL DEFAULT 0,
    next_uid_validity bigint NOT NULL,
    created_at        timestamptz NOT NULL DEFAULT now()
    -- The used counters change with every delivery and are not indexed: room on the page keeps the new row there.
) WITH (fillfactor = 50);
CREATE INDEX accounts_by_domain ON directory.accounts (domain, address);
COMMENT ON TABLE directory.accounts IS
    'One row a user. Its lock is the first of every change to the sum of the account''s mail.';
COMMENT ON COLUMN directory.accounts.account_id IS 'Never reused; the first column of every key of the mail schema.';
COMMENT ON COLUMN directory.accounts.address IS 'The address in lower case, which is also the login name.';
COMMENT ON COLUMN directory.accounts.domain IS 'What follows the last @ of the address.';
COMMENT ON COLUMN directory.accounts.disabled IS 'Mail is refused and nobody logs in.';
COMMENT ON COLUMN directory.accounts.quota_octets IS 'Most octets of all messages; 0 for no limit.';
COMMENT ON COLUMN directory.accounts.quota_messages IS 'Most messages; 0 for no limit.';
COMMENT ON COLUMN directory.accounts.used_octets IS 'Octets of all messages, each counted in every mailbox that has it.';
COMMENT ON COLUMN directory.accounts.used_messages IS 'Messages in all mailboxes.';
COMMENT ON COLUMN directory.accounts.next_uid_validity IS
    'The UIDVALIDITY of the next mailbox. It begins with the seconds since 1970 at which the account was made.';
COMMENT ON COLUMN directory.accounts.created_at IS 'When it was made.';

CREATE TABLE directory.former_addresses (
    address           text COLLATE "C" PRIMARY KEY,
    next_uid_validity bigint NOT NULL
);
COMMENT ON TABLE directory.former_addresses IS
    'Where UIDVALIDITY goes on when the address of a removed account is given again: a client may remember it.';
COMMENT ON COLUMN directory.former_addresses.address IS 'The removed account''s address.';
COMMENT ON COLUMN directory.former_addresses.next_uid_validity IS 'The first value that was never given.';

CREATE TABLE directory.aliases (
    address    text COLLATE "C" NOT NULL,
    target     text COLLATE "C" NOT NULL,
    domain     text COLLATE "C" NOT NULL REFERENCES directory.domains,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (address, target)
);
CREATE INDEX aliases_by_domain ON directory.aliases (domain, address);
COMMENT ON TABLE directory.aliases IS 'Addresses that lead to others; one row a target.';
COMMENT ON COLUMN directory.aliases.address IS 'The address in lower case; "@domain" catches what is otherwise unknown.';
COMMENT ON COLUMN directory.aliases.target IS 'An address of ours, again an alias perhaps, or one elsewhere.';
COMMENT ON COLUMN directory.aliases.domain IS 'What follows the last @ of the address.';
COMMENT ON COLUMN directory.aliases.created_at IS 'When this target was added.';
