CREATE TABLE {meta} (
    subsystem        text        NOT NULL,
    number           bigint      NOT NULL CHECK (number >= 0),
    name             text        NOT NULL,
    state            text        NOT NULL CHECK (state IN ('expanding', 'pending', 'contracting', 'undoing', 'executed')),
    part             text        CHECK (part IN ('up', 'backfill', 'finish', 'undo')),
    statements_done  bigint      NOT NULL DEFAULT 0 CHECK (statements_done >= 0),
    batch            bigint      NOT NULL CHECK (batch > 0),
    origin           text        NOT NULL CHECK (origin IN ('bootstrap', 'up', 'adopt')),
    app_version      text,
    checksums        jsonb       NOT NULL DEFAULT '{}',
    started_at       timestamptz,
    finished_at      timestamptz,
    executed_by      text        NOT NULL,
    kmig_version     text        NOT NULL,
    PRIMARY KEY (subsystem, number),
    CHECK ((part IS NOT NULL) = (state IN ('expanding', 'contracting', 'undoing'))),
    CHECK ((state = 'executed') = (finished_at IS NOT NULL))
);

CREATE TABLE {journal} (
    seq              bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at               timestamptz NOT NULL DEFAULT clock_timestamp(),
    started_at       timestamptz NOT NULL DEFAULT transaction_timestamp(),
    run              text        NOT NULL,
    kind             text        NOT NULL,
    batch            bigint,
    subsystem        text,
    number           bigint,
    name             text,
    part             text,
    first_statement  bigint,
    state            text,
    app_version      text,
    executed_by      text        NOT NULL,
    kmig_version     text        NOT NULL,
    detail           jsonb
);

-- Every look at the database asks for the last batch.
CREATE INDEX ON {journal} (seq) WHERE kind IN ('batch', 'version', 'undo');

COMMENT ON TABLE {meta} IS 'kmig: one row per migration; written by kmig alone';
COMMENT ON TABLE {journal} IS 'kmig: what was run, when and by whom; append-only';
