-- Times are milliseconds since 1970 UTC. Ids are texts as people see them. JSON columns hold the published forms.

CREATE TABLE counters (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT;

CREATE TABLE tokens (
    id TEXT PRIMARY KEY,
    -- The public key that the token's secret proves; the secret itself is never here.
    key BLOB NOT NULL,
    name TEXT,
    created_at INTEGER NOT NULL,
    ends_at INTEGER NOT NULL,
    used_by TEXT,
    revoked INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE agents (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    hostname TEXT NOT NULL DEFAULT '',
    serial TEXT NOT NULL,
    certificate_ends_at INTEGER NOT NULL,
    agent_version TEXT NOT NULL,
    enrolled_at INTEGER NOT NULL,
    connected_at INTEGER,
    last_seen_at INTEGER,
    revoked_at INTEGER
) STRICT;

CREATE UNIQUE INDEX agents_by_name ON agents (name) WHERE revoked_at IS NULL;

CREATE TABLE facts (
    host TEXT PRIMARY KEY,
    facts TEXT NOT NULL,
    learnt_at INTEGER NOT NULL
) STRICT;

CREATE TABLE runs (
    id TEXT PRIMARY KEY,
    title TEXT NOT NULL,
    caller TEXT NOT NULL,
    status TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at INTEGER
) STRICT;

CREATE TABLE events (
    run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    event TEXT NOT NULL,
    PRIMARY KEY (run, seq)
) STRICT, WITHOUT ROWID;

-- Plans sent to hosts: what a controller that was killed must still hear about.
CREATE TABLE plans (
    id TEXT PRIMARY KEY,
    run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    host TEXT NOT NULL,
    agent TEXT,
    -- The number of the run's last event when the plan was sent.
    after_seq INTEGER NOT NULL,
    steps INTEGER NOT NULL,
    no_log INTEGER NOT NULL
) STRICT;

CREATE INDEX plans_by_run ON plans (run);

CREATE TABLE results (
    plan TEXT NOT NULL REFERENCES plans (id) ON DELETE CASCADE,
    step INTEGER NOT NULL,
    -- NULL: the step began and nothing more is known.
    outcome TEXT,
    PRIMARY KEY (plan, step)
) STRICT, WITHOUT ROWID;

CREATE TABLE ended_plans (
    plan TEXT PRIMARY KEY REFERENCES plans (id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
