-- name: LockDevices :many
INSERT INTO devices AS d (device, open, newest, touched)
SELECT
    unnest(@devices::text []),
    @never::timestamptz,
    @never::timestamptz,
    now()
ON CONFLICT (device) DO UPDATE SET touched = excluded.touched
RETURNING d.device, d.open, d.newest;

-- name: KnownKeys :many
SELECT k.*
FROM keys AS k
INNER JOIN (
    SELECT
        unnest(@devices::text []) AS device,
        unnest(@epochs::bigint []) AS epoch,
        unnest(@sequences::bigint []) AS sequence
) AS r ON k.device = r.device AND k.epoch = r.epoch AND k.sequence = r.sequence;

-- name: InsertKeys :exec
INSERT INTO keys (device, epoch, sequence, start)
SELECT
    unnest(@devices::text []),
    unnest(@epochs::bigint []),
    unnest(@sequences::bigint []),
    unnest(@starts::timestamptz []);

-- name: AddToWindows :exec
INSERT INTO windows AS w (
    device, start, readings, lowest, highest, total, last_at, last_epoch, last_sequence, last_value
)
SELECT
    unnest(@devices::text []),
    unnest(@starts::timestamptz []),
    unnest(@readings::bigint []),
    unnest(@lowest::double precision []),
    unnest(@highest::double precision []),
    unnest(@totals::double precision []),
    unnest(@last_times::timestamptz []),
    unnest(@last_epochs::bigint []),
    unnest(@last_sequences::bigint []),
    unnest(@last_values::double precision [])
ON CONFLICT (device, start) DO UPDATE SET
    readings = w.readings + excluded.readings,
    lowest = least(w.lowest, excluded.lowest),
    highest = greatest(w.highest, excluded.highest),
    total = w.total + excluded.total,
    (last_at, last_epoch, last_sequence, last_value) = (
        SELECT
            v.at,
            v.epoch,
            v.sequence,
            v.value
        FROM (
            VALUES
            (w.last_at, w.last_epoch, w.last_sequence, w.last_value),
            (excluded.last_at, excluded.last_epoch, excluded.last_sequence, excluded.last_value)
        ) AS v (at, epoch, sequence, value)
        ORDER BY v.at DESC, v.epoch DESC, v.sequence DESC
        LIMIT 1
    );

-- name: MoveDevices :exec
UPDATE devices AS d SET open = p.open, newest = p.newest
FROM (
    SELECT
        unnest(@devices::text []) AS device,
        unnest(@opens::timestamptz []) AS open,
        unnest(@newests::timestamptz []) AS newest
) AS p
WHERE d.device = p.device;

-- name: CloseWindows :exec
WITH progress AS (
    SELECT
        unnest(@devices::text []) AS device,
        unnest(@were_open::timestamptz []) AS was_open,
        unnest(@opens::timestamptz []) AS open
),

forgotten AS (
    DELETE FROM keys AS k USING progress AS p
    WHERE k.device = p.device AND k.start < p.open
),

closed AS (
    UPDATE windows AS w SET closed_at = now()
    FROM progress AS p
    WHERE w.device = p.device AND w.start >= p.was_open AND w.start < p.open
    RETURNING w.device, w.start, w.closed_at
)

INSERT INTO outbox (device, start, closed_at)
SELECT device, start, closed_at::timestamptz
FROM closed
ORDER BY start, device;

-- name: LockIdleDevices :many
SELECT device, open, newest FROM devices
WHERE touched < @since AND newest >= open
ORDER BY device
LIMIT sqlc.arg(max_rows)::bigint
FOR UPDATE SKIP LOCKED;

-- name: NextOfOutbox :many
SELECT
    o.id,
    sqlc.embed(w)
FROM outbox AS o
INNER JOIN windows AS w ON o.device = w.device AND o.start = w.start
ORDER BY o.id
LIMIT sqlc.arg(max_rows)::bigint
FOR UPDATE OF o SKIP LOCKED;

-- name: RemoveFromOutbox :exec
DELETE FROM outbox
WHERE id = any(@ids::bigint []);

-- name: MeasureOutbox :one
SELECT
    count(*) AS windows,
    coalesce(extract(EPOCH FROM now() - min(closed_at)), 0)::double precision AS seconds
FROM outbox;

-- name: ListWindows :many
SELECT * FROM windows
WHERE
    device >= sqlc.arg(first_device)
    AND device <= sqlc.arg(last_device)
    AND start >= sqlc.arg(earliest)
    AND start < sqlc.arg(before)
ORDER BY device, start
LIMIT sqlc.arg(max_rows)::bigint;

-- name: ForgetWindows :execrows
DELETE FROM windows AS w
USING (
    SELECT
        v.device,
        v.start
    FROM windows AS v
    WHERE
        v.closed_at < sqlc.arg(before)::timestamptz
        AND NOT EXISTS (SELECT FROM outbox AS o WHERE o.device = v.device AND o.start = v.start)
    ORDER BY v.closed_at
    LIMIT sqlc.arg(max_rows)::bigint
) AS old
WHERE w.device = old.device AND w.start = old.start;

-- name: ForgetDevices :execrows
DELETE FROM devices
WHERE device IN (
    SELECT d.device FROM devices AS d
    WHERE
        d.touched < sqlc.arg(before)
        AND NOT EXISTS (SELECT FROM windows AS w WHERE w.device = d.device)
    ORDER BY d.device
    LIMIT sqlc.arg(max_rows)::bigint
    FOR UPDATE SKIP LOCKED
);
