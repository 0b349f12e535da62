// Package ops holds what watches the service to what the service exposes.
package ops

import (
	"encoding/json"
	"log/slog"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"example.com/event-worker/internal/aggregate"
	"example.com/event-worker/internal/config"
	"example.com/event-worker/internal/telemetry"
	"example.com/event-worker/internal/worker"
)

var (
	// What of an expression is no name of a metric.
	notNames = regexp.MustCompile(`"[^"]*"|\{[^}]*\}|\[[^\]]*\]|\b(?:by|without|on|ignoring) *\([^)]*\)|\w+ *\(`)
	name     = regexp.MustCompile(`\b[a-z]\w*_\w+\b`)
)

func TestDashboardShowsMetricsThatAreThere(t *testing.T) {
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(read(t, "dashboard.json"), &dashboard); err != nil {
		t.Fatal(err)
	}
	there := metrics()
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			holds(t, panel.Title, target.Expr, there)
		}
	}
}

func TestAlertsWatchMetricsThatAreThere(t *testing.T) {
	there := metrics()
	for alert, expression := range alerts(t) {
		holds(t, alert, expression, there)
	}
}

func TestEachAlertHasItsSectionInTheRunbook(t *testing.T) {
	var sections []string
	for _, found := range regexp.MustCompile(`(?m)^### (\w+)$`).FindAllSubmatch(read(t, "../docs/runbook.md"), -1) {
		sections = append(sections, string(found[1]))
	}
	slices.Sort(sections)
	if want := slices.Sorted(maps.Keys(alerts(t))); !slices.Equal(sections, want) {
		t.Errorf("the runbook has sections on %q, and the alerts are %q", sections, want)
	}
	for _, section := range sections {
		if !strings.Contains(string(read(t, "alerts.yaml")), "docs/runbook.md#"+strings.ToLower(section)+"\n") {
			t.Errorf("%s does not lead to its section", section)
		}
	}
}

func holds(t *testing.T, place, expression string, there map[string]bool) {
	t.Helper()
	names := name.FindAllString(notNames.ReplaceAllString(expression, ""), -1)
	if len(names) == 0 {
		t.Errorf("%s: no metric in %s", place, expression)
	}
	for _, metric := range names {
		if !there[metric] {
			t.Errorf("%s: there is no metric %s", place, metric)
		}
	}
}

// metrics are all that the program registers, with the series of histograms.
func metrics() map[string]bool {
	registry := telemetry.NewRegistry(telemetry.Build{})
	logger, store := slog.New(slog.DiscardHandler), aggregate.NewMemory(aggregate.Capacity)
	worker.New(worker.NewMemory(), store, worker.Settings(config.Default().WorkerSettings), logger, registry)
	descriptions := make(chan *prometheus.Desc)
	go func() {
		registry.Describe(descriptions)
		close(descriptions)
	}()
	there := map[string]bool{}
	described := regexp.MustCompile(`fqName: "(\w+)"`)
	for description := range descriptions {
		metric := described.FindStringSubmatch(description.String())[1]
		for _, suffix := range []string{"", "_bucket", "_count", "_sum"} {
			there[metric+suffix] = true
		}
	}
	return there
}

// alerts are the expressions by the names of the rules.
func alerts(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	rule := regexp.MustCompile(`- alert: (\w+)\n +expr: (.+)\n`)
	for _, match := range rule.FindAllSubmatch(read(t, "alerts.yaml"), -1) {
		found[string(match[1])] = string(match[2])
	}
	if rules := strings.Count(string(read(t, "alerts.yaml")), "- alert:"); len(found) != rules {
		t.Fatalf("%d of %d rules can be read", len(found), rules)
	}
	return found
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}
