-- +goose Up

-- Names order by bytes, whatever the locale of the database is.
CREATE TABLE readings (
    device text COLLATE "C" NOT NULL,
    epoch bigint NOT NULL,
    sequence bigint NOT NULL,
    measured_at timestamptz NOT NULL,
    value double precision NOT NULL,
    PRIMARY KEY (device, epoch, sequence)
);

CREATE INDEX readings_by_time ON readings (measured_at, device, epoch, sequence);

CREATE INDEX readings_by_device ON readings (device, measured_at, epoch, sequence);

-- What would otherwise be a scan over the readings of a device.
CREATE TABLE devices (
    device text COLLATE "C" PRIMARY KEY,
    first_seen timestamptz NOT NULL,
    last_seen timestamptz NOT NULL,
    readings bigint NOT NULL,
    epoch bigint NOT NULL,
    highest bigint NOT NULL,
    held bigint NOT NULL
);

-- +goose Down
DROP TABLE devices;

DROP TABLE readings;
