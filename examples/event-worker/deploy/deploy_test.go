// Package deploy holds the manifests to the numbers of the program.
package deploy

import (
	"os"
	"regexp"
	"strconv"
	"testing"
	"time"

	"example.com/event-worker/internal/config"
	"example.com/event-worker/internal/server"
)

func TestDrainEndsBeforeThePodIsKilled(t *testing.T) {
	settings := config.Default()
	drain := settings.DrainDelay + settings.DrainTimeout + server.DrainOverhead
	grace := time.Duration(number(t, `terminationGracePeriodSeconds: (\d+)`)) * time.Second
	if grace <= drain {
		t.Errorf("the pod is killed after %v, and a drain takes up to %v", grace, drain)
	}
}

func TestMemoryOfGoStaysATenthBelowTheLimit(t *testing.T) {
	limit := number(t, `(?s)GOMEMLIMIT.*limits:\s+memory: (\d+)Mi\n`)
	if got := number(t, `name: GOMEMLIMIT\s+value: (\d+)MiB\n`); got != limit*9/10 {
		t.Errorf("GOMEMLIMIT is %d MiB, and the limit %d MiB", got, limit)
	}
}

// number reads the one place of the deployment that a pattern matches.
func number(t *testing.T, pattern string) int {
	t.Helper()
	manifest, err := os.ReadFile("base/deployment.yaml")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(pattern).FindAllStringSubmatch(string(manifest), -1)
	if len(found) != 1 {
		t.Fatalf("%s is there %d times", pattern, len(found))
	}
	value, err := strconv.Atoi(found[0][1])
	if err != nil {
		t.Fatal(err)
	}
	return value
}
