-- name: InsertReadings :one
WITH fresh AS (
    INSERT INTO readings (device, epoch, sequence, measured_at, value)
    SELECT
        unnest(@devices::text []),
        unnest(@epochs::bigint []),
        unnest(@sequences::bigint []),
        unnest(@times::timestamptz []),
        unnest(@values::double precision [])
    ON CONFLICT DO NOTHING
    RETURNING device, epoch, sequence, measured_at
),

latest AS (
    SELECT device, max(epoch) AS epoch
    FROM fresh
    GROUP BY device
),

summed AS (
    INSERT INTO devices AS d (device, first_seen, last_seen, readings, epoch, highest, held)
    SELECT
        fresh.device,
        min(fresh.measured_at),
        max(fresh.measured_at),
        count(*),
        latest.epoch,
        max(fresh.sequence) FILTER (WHERE fresh.epoch = latest.epoch),
        count(*) FILTER (WHERE fresh.epoch = latest.epoch)
    FROM fresh
    INNER JOIN latest ON fresh.device = latest.device
    GROUP BY fresh.device, latest.epoch
    ORDER BY fresh.device
    ON CONFLICT (device) DO UPDATE SET
        first_seen = least(d.first_seen, excluded.first_seen),
        last_seen = greatest(d.last_seen, excluded.last_seen),
        readings = d.readings + excluded.readings,
        epoch = greatest(d.epoch, excluded.epoch),
        highest = CASE
            WHEN excluded.epoch > d.epoch THEN excluded.highest
            WHEN excluded.epoch = d.epoch THEN greatest(d.highest, excluded.highest)
            ELSE d.highest
        END,
        held = CASE
            WHEN excluded.epoch > d.epoch THEN excluded.held
            WHEN excluded.epoch = d.epoch THEN d.held + excluded.held
            ELSE d.held
        END
)

SELECT count(*) FROM fresh;

-- name: StoredReadings :many
SELECT r.*
FROM readings AS r
INNER JOIN (
    SELECT
        unnest(@devices::text []) AS device,
        unnest(@epochs::bigint []) AS epoch,
        unnest(@sequences::bigint []) AS sequence
) AS k ON r.device = k.device AND r.epoch = k.epoch AND r.sequence = k.sequence;

-- name: ListReadings :many
SELECT * FROM readings
WHERE
    measured_at >= sqlc.arg(earliest)
    AND (measured_at, device, epoch, sequence)
    < (sqlc.arg(measured_at)::timestamptz, sqlc.arg(device)::text, sqlc.arg(epoch)::bigint, sqlc.arg(sequence)::bigint)
ORDER BY measured_at DESC, device DESC, epoch DESC, sequence DESC
LIMIT sqlc.arg(max_rows)::bigint;

-- name: ListReadingsOfDevice :many
SELECT * FROM readings
WHERE
    device = sqlc.arg(device)
    AND measured_at >= sqlc.arg(earliest)
    AND (measured_at, epoch, sequence)
    < (sqlc.arg(measured_at)::timestamptz, sqlc.arg(epoch)::bigint, sqlc.arg(sequence)::bigint)
ORDER BY measured_at DESC, epoch DESC, sequence DESC
LIMIT sqlc.arg(max_rows)::bigint;

-- name: ListDevices :many
SELECT device, last_seen, readings FROM devices
WHERE device > @after
ORDER BY device
LIMIT sqlc.arg(max_rows)::bigint;

-- name: GetDevice :one
SELECT * FROM devices
WHERE device = @device;
