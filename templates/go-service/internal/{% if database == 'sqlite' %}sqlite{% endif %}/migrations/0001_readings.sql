-- +goose Up

-- Times are milliseconds since 1970. Names order by bytes, as SQLite does by itself.
CREATE TABLE readings (
    device TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    measured_at INTEGER NOT NULL,
    value REAL NOT NULL,
    PRIMARY KEY (device, epoch, sequence)
) STRICT, WITHOUT ROWID;

CREATE INDEX readings_by_time ON readings (measured_at, device, epoch, sequence);

CREATE INDEX readings_by_device ON readings (device, measured_at, epoch, sequence);

-- What would otherwise be a scan over the readings of a device.
CREATE TABLE devices (
    device TEXT NOT NULL PRIMARY KEY,
    first_seen INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    readings INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    highest INTEGER NOT NULL,
    held INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- +goose Down
DROP TABLE devices;

DROP TABLE readings;
