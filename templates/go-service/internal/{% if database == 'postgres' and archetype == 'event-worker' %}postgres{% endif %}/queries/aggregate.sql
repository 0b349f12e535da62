-- name: LockDevices :many
INSERT INTO devices AS d (device, open, reached, mark, marked, touched)
SELECT
    unnest(@devices::text []),
    @never::timestamptz,
    unnest(@reached::timestamptz []),
    @never::timestamptz,
    @never::timestamptz,
    now()
ON CONFLICT (device) DO UPDATE SET reached = greatest(d.reached, excluded.reached), touched = excluded.touched
RETURNING d.device, d.open;

-- name: KnownKeys :many
SELECT
    k.device,
    k.epoch,
    k.sequence
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

-- name: LockHeldDevices :many
SELECT
    d.device,
    d.open,
    d.mark,
    coalesce((
        SELECT w.start FROM windows AS w
        WHERE w.device = d.device AND w.start >= d.open
        ORDER BY w.start
        OFFSET @windows::bigint
        LIMIT 1
    ), @forever::timestamptz)::timestamptz AS next
FROM devices AS d
WHERE
    d.marked <= now() - make_interval(secs => @hold::double precision)
    AND d.reached >= d.open + make_interval(secs => @behind::double precision)
ORDER BY d.device
LIMIT sqlc.arg(max_rows)::bigint
FOR UPDATE SKIP LOCKED;

-- name: MarkDevices :exec
UPDATE devices SET mark = reached, marked = now()
WHERE device = any(@devices::text []);

-- name: LockIdleDevices :many
SELECT
    d.device,
    d.open,
    d.reached,
    coalesce((
        SELECT w.start FROM windows AS w
        WHERE w.device = d.device AND w.start >= d.open
        ORDER BY w.start
        OFFSET @windows::bigint
        LIMIT 1
    ), @forever::timestamptz)::timestamptz AS next
FROM devices AS d
WHERE d.touched <= now() - make_interval(secs => @idle::double precision) AND d.reached >= d.open
ORDER BY d.device
LIMIT sqlc.arg(max_rows)::bigint
FOR UPDATE SKIP LOCKED;

-- name: CloseWindows :exec
WITH progress AS (
    SELECT
        unnest(@devices::text []) AS device,
        unnest(@were_open::timestamptz []) AS was_open,
        unnest(@opens::timestamptz []) AS open
),

moved AS (
    UPDATE devices AS d SET open = p.open
    FROM progress AS p
    WHERE d.device = p.device
),

forgotten AS (
    DELETE FROM keys AS k USING progress AS p
    WHERE k.device = p.device AND k.start >= p.was_open AND k.start < p.open
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
    (
        SELECT count(*)
        FROM (SELECT FROM outbox LIMIT sqlc.arg(max_rows)::bigint) AS o
    )::bigint AS windows,
    coalesce(
        extract(EPOCH FROM now() - (SELECT closed_at FROM outbox ORDER BY id LIMIT 1)), 0
    )::double precision AS seconds;

-- name: ListWindows :many
SELECT w.*
FROM devices AS d
CROSS JOIN LATERAL (
    SELECT * FROM windows AS v
    WHERE
        v.device = d.device
        AND v.start >= sqlc.arg(earliest)
        AND v.start < sqlc.arg(before)
    ORDER BY v.start
    LIMIT sqlc.arg(max_rows)::bigint
) AS w
WHERE d.device >= sqlc.arg(first_device) AND d.device <= sqlc.arg(last_device)
ORDER BY d.device, w.start
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
    FOR UPDATE OF v SKIP LOCKED
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
