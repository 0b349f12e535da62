-- +goose Up

-- How far each device has come. Whoever counts readings of a device holds its row until the end of the transaction.
-- Names order by bytes, whatever the locale of the database is.
CREATE TABLE devices (
    device text COLLATE "C" PRIMARY KEY,
    open timestamptz NOT NULL, -- the start of its first window that is
    reached timestamptz NOT NULL, -- by its own clock, as is open
    mark timestamptz NOT NULL, -- what it had reached when it was marked
    marked timestamptz NOT NULL,
    touched timestamptz NOT NULL
);

CREATE TABLE windows (
    device text COLLATE "C" NOT NULL,
    start timestamptz NOT NULL,
    readings bigint NOT NULL,
    lowest double precision NOT NULL,
    highest double precision NOT NULL,
    total double precision NOT NULL, -- in units of 2^32, so that it can't overflow
    last_at timestamptz NOT NULL,
    last_epoch bigint NOT NULL,
    last_sequence bigint NOT NULL,
    last_value double precision NOT NULL,
    closed_at timestamptz,
    PRIMARY KEY (device, start)
);

CREATE INDEX windows_by_closing ON windows (closed_at) WHERE closed_at IS NOT NULL;

-- Readings that were counted in windows that are open.
CREATE TABLE keys (
    device text COLLATE "C" NOT NULL,
    epoch bigint NOT NULL,
    sequence bigint NOT NULL,
    start timestamptz NOT NULL,
    PRIMARY KEY (device, epoch, sequence)
);

CREATE INDEX keys_by_window ON keys (device, start);

-- Windows that have closed and wait to be published.
CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device text COLLATE "C" NOT NULL,
    start timestamptz NOT NULL,
    closed_at timestamptz NOT NULL,
    UNIQUE (device, start)
);

-- +goose Down
DROP TABLE outbox;

DROP TABLE keys;

DROP TABLE windows;

DROP TABLE devices;
