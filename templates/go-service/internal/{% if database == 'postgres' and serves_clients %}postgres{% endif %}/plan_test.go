package postgres

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// step is a part of a plan, as EXPLAIN (FORMAT JSON) tells it.
type step struct {
	Node  string `json:"Node Type"`
	Index string `json:"Index Name"`
	Plans []step
}

func (s step) flat() (steps []string) {
	steps = append(steps, s.Node+" "+s.Index)
	for _, below := range s.Plans {
		steps = append(steps, below.flat()...)
	}
	return steps
}

// expectIndex expects that a query reads what it is about through an index, once, and sorts nothing.
func expectIndex(t *testing.T, pool *pgxpool.Pool, name, index, query string, args ...any) {
	t.Helper()
	// PostgreSQL may come to plan a statement that is prepared without looking at its arguments.
	for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
		steps := plan(t, pool.Config().ConnConfig, mode, query, args...)
		indexes := 0
		for _, s := range steps {
			switch s {
			case "Index Scan " + index, "Index Only Scan " + index:
				indexes++
			case "Seq Scan ", "Sort ", "Incremental Sort ":
				indexes = -99
			}
		}
		if indexes != 1 {
			t.Errorf("%s, %s: %q", name, mode, steps)
		}
	}
}

func plan(t *testing.T, cfg *pgx.ConnConfig, mode, query string, args ...any) []string {
	t.Helper()
	ctx := t.Context()
	cfg = cfg.Copy()
	cfg.RuntimeParams["plan_cache_mode"] = mode
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var text []byte
	if err := conn.QueryRow(ctx, "EXPLAIN (FORMAT JSON) "+query, args...).Scan(&text); err != nil {
		t.Fatal(err)
	}
	var plans []struct{ Plan step }
	if err := json.Unmarshal(text, &plans); err != nil {
		t.Fatal(err)
	}
	return plans[0].Plan.flat()
}
