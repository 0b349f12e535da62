package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
)

// How long a scrape waits for the database.
const connectWithin = time.Second

// Collector measures a pool of connections, and connects to the database to see whether it answers, at each scrape.
type Collector struct {
	pool *pgxpool.Pool

	up, connections, limit, waits, waited, opened *prometheus.Desc
}

var _ prometheus.Collector = (*Collector)(nil)

// NewCollector makes the metrics of a pool.
func NewCollector(pool *pgxpool.Pool) *Collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	return &Collector{
		pool:        pool,
		up:          desc("db_up", "1 when the database answers, 0 when it does not."),
		connections: desc("db_client_connections", "Connections to the database.", "state"),
		limit:       desc("db_client_connections_max", "Connections that there can be."),
		waits:       desc("db_client_connections_waits_total", "Times that no connection was free."),
		waited:      desc("db_client_connections_wait_seconds_total", "Time spent waiting for a connection."),
		opened:      desc("db_client_connections_opened_total", "Connections that were made."),
	}
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(descs chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{c.up, c.connections, c.limit, c.waits, c.waited, c.opened} {
		descs <- desc
	}
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), connectWithin)
	defer cancel()
	var up float64
	// Not through the pool: that none of its connections is free says nothing of the database.
	if conn, err := pgx.ConnectConfig(ctx, c.pool.Config().ConnConfig); err == nil {
		up = 1
		_ = conn.Close(ctx)
	}
	stat := c.pool.Stat()
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	counter := func(desc *prometheus.Desc, value float64) {
		metrics <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, value)
	}
	gauge(c.up, up)
	gauge(c.connections, float64(stat.AcquiredConns()), "used")
	gauge(c.connections, float64(stat.IdleConns()), "idle")
	gauge(c.limit, float64(stat.MaxConns()))
	counter(c.waits, float64(stat.EmptyAcquireCount()))
	counter(c.waited, stat.EmptyAcquireWaitTime().Seconds())
	counter(c.opened, float64(stat.NewConnsCount()))
}
